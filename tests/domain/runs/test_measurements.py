from pathlib import Path

import pytest

from finery.contracts.datasets.measurement import (
    Measurement,
    MeasurementRefused,
    MeasurementRequest,
    MeasurementResult,
    NotMeasured,
)
from finery.contracts.datasets.report import RowWarning, WarningKind
from finery.contracts.events import NoticeEvent
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.recipes.data_rules import ExampleKind, TokenRules
from finery.contracts.run import Run
from finery.contracts.status import Reason, RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.datasets import DatasetRefused
from finery.domain.runs import claims, measurements
from finery.models import MeasurementDueRow, RunRow
from tests import builders

COUNTS = {"recipe": "sft", "model": "m", "max_length": 8, "rows": 2, "measured": 2, "is_exact": True}
GOOD = Measurement(**COUNTS, kept=1, truncated=1)
LEFT_OUT = RowWarning(kind=WarningKind.TOOLS_LEFT_OUT, message="has tools", count=1, places=())
NOTHING_LEFT = Measurement(**COUNTS, vanished=2)


@pytest.fixture
def run(database: Database, home: Path) -> Run:
    """Accepted before its data were measured."""
    with database.write() as session:
        run = runs.create(session, builders.sft(home), builders.context(home), LOCAL_ADMINISTRATOR)
        request = MeasurementRequest(
            dataset=home / "rows.jsonl",
            recipe="sft",
            examples=ExampleKind.CONVERSATION_OR_TEXT,
            rules=TokenRules(),
            model="finery/tiny-llama",
            models_cache=home,
            max_length=8,
        )
        number = session.query(RunRow.number).scalar()
        session.add(MeasurementDueRow(run_number=number, request=request.model_dump(mode="json")))
    return run


def record(database: Database, found: MeasurementResult | DatasetRefused) -> None:
    with database.read() as session:
        due = measurements.next_due(session)
    assert due is not None
    with database.write() as session:
        measurements.record(session, due, found)
        measurements.record(session, due, found)
    with database.read() as session:
        assert measurements.next_due(session) is None


def told(database: Database, run: Run) -> tuple[Run, list[str]]:
    with database.read() as session:
        events = runs.list_events(session, run.id, LOCAL_ADMINISTRATOR)
        now = runs.get(session, run.id, LOCAL_ADMINISTRATOR)
    return now, [event.data.code for event in events if isinstance(event, NoticeEvent)]


class TestRecord:
    @pytest.mark.parametrize(
        ("found", "codes"),
        [
            (GOOD, ["rows_truncated"]),
            (GOOD.model_copy(update={"warnings": (LEFT_OUT,)}), ["tools_left_out", "rows_truncated"]),
            (NotMeasured(reason="no time"), ["not_measured"]),
        ],
    )
    def test_what_is_lost_is_told_once(
        self, database: Database, run: Run, found: MeasurementResult, codes: list[str]
    ) -> None:
        record(database, found)
        now, notices = told(database, run)
        assert (now.status, notices) == (RunStatus.QUEUED, codes)

    @pytest.mark.parametrize(
        ("found", "says"),
        [
            (NOTHING_LEFT, "rows.jsonl: max_length 8 cuts off all that is learned"),
            (DatasetRefused("rows.jsonl: it is gone"), "rows.jsonl: it is gone"),
        ],
    )
    def test_a_run_that_could_learn_nothing_fails(
        self, database: Database, run: Run, found: MeasurementResult | DatasetRefused, says: str
    ) -> None:
        record(database, found)
        now, notices = told(database, run)
        assert (now.status, now.reason, notices) == (RunStatus.FAILED, Reason.INVALID_DATA, ["dataset_invalid"])
        assert (now.error or "").startswith(says)

    def test_a_template_without_end_is_named(self, database: Database, run: Run) -> None:
        record(database, MeasurementRefused(refused="it never ends", would_fail=True))
        now, notices = told(database, run)
        assert (now.status, now.error, now.error_field) == (
            RunStatus.FAILED,
            "chat_template: it never ends",
            "chat_template",
        )
        assert notices == ["invalid_run"]

    def test_one_that_was_begun_ends_by_itself(self, database: Database, run: Run) -> None:
        with database.write() as session:
            assert claims.claim_next(session, builders.machine(), executor="local", max_passed=1) is not None
        record(database, NOTHING_LEFT)
        now, notices = told(database, run)
        assert (now.status, notices) == (RunStatus.STARTING, ["dataset_invalid"])

    def test_a_finished_one_stays_as_it_is(self, database: Database, run: Run) -> None:
        with database.write() as session:
            runs.request_cancel(session, run.id, LOCAL_ADMINISTRATOR)
        record(database, NOTHING_LEFT)
        now, notices = told(database, run)
        assert (now.status, notices) == (RunStatus.CANCELLED, [])

    def test_a_deleted_one_takes_it_along(self, database: Database, run: Run, home: Path) -> None:
        with database.write() as session:
            runs.request_cancel(session, run.id, LOCAL_ADMINISTRATOR)
            runs.delete(session, run.id, builders.context(home), LOCAL_ADMINISTRATOR)
        with database.read() as session:
            assert measurements.next_due(session) is None
