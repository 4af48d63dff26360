"""The checkpoints of a run, read from its events."""

from pathlib import Path

import pytest

from finery.contracts.events import EventType
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.db import Database
from finery.domain import runs
from tests.domain.runs.test_metric_samples import sqlite, store

__all__ = ["sqlite"]


@pytest.fixture
def folders(home: Path) -> dict[int, str]:
    """Those of two checkpoints; a third has been removed."""
    made = {step: str(home / f"checkpoint-{step}") for step in (4, 8, 6)}
    for step in (4, 8):
        Path(made[step]).mkdir()
    return made


class TestListCheckpoints:
    def test_each_has_what_was_told_last_before_it(self, sqlite: Database, home: Path, folders: dict[int, str]) -> None:
        progress = [{"step": step, "loss": 10.0 - step} for step in (1, 3, 4, 7, 9)]
        evaluations = [{"type": EventType.EVALUATION, "step": step, "loss": float(step)} for step in (3, 8)]
        saved = [{"type": EventType.CHECKPOINT, "step": step, "path": path} for step, path in folders.items()]
        store(sqlite, home, [*progress, *evaluations, *saved])
        with sqlite.read() as session:
            found = runs.list_checkpoints(session, "a", LOCAL_ADMINISTRATOR)
        told = [(one.step, one.metrics.get("loss"), one.evaluation.get("loss")) for one in found]
        assert told == [(8, 3.0, 8.0), (4, 6.0, None)]

    def test_what_a_later_attempt_told_again_counts(
        self, sqlite: Database, home: Path, folders: dict[int, str]
    ) -> None:
        again = [{"step": 4, "loss": loss, "attempt": attempt} for attempt, loss in ((1, 1.0), (2, 2.0))]
        odd = [
            {"type": EventType.EVALUATION, "step": "abc", "loss": 1.0},
            {"type": EventType.CHECKPOINT, "step": None, "path": folders[4]},
        ]
        store(sqlite, home, [*again, *odd, {"type": EventType.CHECKPOINT, "step": 4, "path": folders[4]}])
        with sqlite.read() as session:
            (found,) = runs.list_checkpoints(session, "a", LOCAL_ADMINISTRATOR)
        assert (found.metrics["loss"], found.evaluation) == (2.0, {})
