from pathlib import Path

import pytest

from tests.soak import results
from tests.soak.__main__ import soak
from tests.soak.plan import Goal, Shard

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("soak")]


def test_a_round_is_carried_out_once(tmp_path: Path) -> None:
    """Three kills of the server; asked again, nothing is missing."""
    goal, path = Goal("server", "sqlite", wanted=3, each_round=3), tmp_path / "results.jsonl"
    # Where what ran is not committed, the round counts nothing, and would be done again.
    assert soak([goal], path, Shard(1, 1), minutes=5, most=1) == 0
    (found,) = results.read(path)
    assert (found.done, found.kills, found.number) == (3, {"server": 3}, 1)
    assert found.accepted == sum(found.ends.values()) > 0
    assert not found.is_broken
