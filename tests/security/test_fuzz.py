"""A short form of `make test-fuzz`: some of its requests, always the same."""

import pytest

from finery.contracts.permissions import Level
from tests.fuzz.session import run
from tests.fuzz.world import opened

CASES = 250
SEED = 1


class TestFuzz:
    @pytest.mark.thorough
    @pytest.mark.parametrize("level", [Level.ADMIN, Level.VIEWER])
    def test_every_answer_keeps_the_contract(self, level: Level) -> None:
        with opened(level) as world:
            report = run(world, CASES, SEED)
        assert report.cases >= CASES
        assert len(report.statuses) > 120
        assert not report.failures, report.failure_log()
