import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from finery.contracts.events import EventType
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.status import Reason, RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.runs import attempts, claims
from finery.domain.runs.errors import IntentRefused, NotControllable, RunFinished, RunNotFound
from tests import builders
from tests.small_disk import fill, small_disk


@pytest.fixture
def queued(database: Database, home: Path) -> str:
    with database.write() as session:
        return runs.create(session, builders.sft(home, id="r"), builders.context(home), LOCAL_ADMINISTRATOR).id


@pytest.fixture
def starting(database: Database, queued: str) -> str:
    with database.write() as session:
        claims.claim_next(session, builders.machine(), executor="local", max_passed=20)
    return queued


class TestRequestCancel:
    def test_a_queued_run_is_cancelled_at_once(self, database: Database, queued: str) -> None:
        with database.write() as session:
            assert runs.request_cancel(session, queued, LOCAL_ADMINISTRATOR).status is RunStatus.CANCELLED

    def test_a_started_run_keeps_the_intent(self, database: Database, starting: str) -> None:
        with database.write() as session:
            run = runs.request_cancel(session, starting, LOCAL_ADMINISTRATOR)
        assert (run.status, run.intent) == (RunStatus.STARTING, "cancel")

    def test_a_hundred_times_is_one_event(self, database: Database, starting: str) -> None:
        for _ in range(100):
            with database.write() as session:
                runs.request_cancel(session, starting, LOCAL_ADMINISTRATOR)
        with database.read() as session:
            events = runs.list_events(session, starting, LOCAL_ADMINISTRATOR)
        assert [event.type for event in events].count(EventType.INTENT) == 1

    def test_a_finished_run_refuses(self, database: Database, queued: str) -> None:
        with database.write() as session:
            runs.request_cancel(session, queued, LOCAL_ADMINISTRATOR)
        with pytest.raises(RunFinished):
            with database.write() as session:
                runs.request_cancel(session, queued, LOCAL_ADMINISTRATOR)

    def test_unknown(self, database: Database) -> None:
        with pytest.raises(RunNotFound):
            with database.write() as session:
                runs.request_cancel(session, "nobody", LOCAL_ADMINISTRATOR)


class TestRequestPause:
    def test_queued_then_resumed(self, database: Database, home: Path, queued: str) -> None:
        with database.write() as session:
            assert runs.request_pause(session, queued, LOCAL_ADMINISTRATOR).status is RunStatus.PAUSED
        with database.write() as session:
            assert runs.resume(session, queued, LOCAL_ADMINISTRATOR, builders.context(home)).status is RunStatus.QUEUED

    def test_a_command_refuses(self, database: Database, home: Path) -> None:
        with database.write() as session:
            runs.create(session, builders.command(id="c"), builders.context(home), LOCAL_ADMINISTRATOR)
        with pytest.raises(IntentRefused), database.write() as session:
            runs.request_pause(session, "c", LOCAL_ADMINISTRATOR)

    def test_not_over_a_cancel(self, database: Database, starting: str) -> None:
        with database.write() as session:
            runs.request_cancel(session, starting, LOCAL_ADMINISTRATOR)
        with pytest.raises(IntentRefused):
            with database.write() as session:
                runs.request_pause(session, starting, LOCAL_ADMINISTRATOR)

    def test_external_runs_refuse(self, database: Database, home: Path) -> None:
        with database.write() as session:
            runs.create(session, builders.external("job-001"), builders.context(home), LOCAL_ADMINISTRATOR)
        with pytest.raises(NotControllable):
            with database.write() as session:
                runs.request_pause(session, "job-001", LOCAL_ADMINISTRATOR)


class TestRequestCheckpoint:
    def test_stored_until_delivered(self, database: Database, starting: str) -> None:
        with database.write() as session:
            runs.request_checkpoint(session, starting, LOCAL_ADMINISTRATOR)
            runs.request_checkpoint(session, starting, LOCAL_ADMINISTRATOR)
        with database.read() as session:
            assert [one.controls for one in attempts.list_live(session)] == [["checkpoint"]]

    def test_not_while_queued(self, database: Database, queued: str) -> None:
        with pytest.raises(IntentRefused):
            with database.write() as session:
                runs.request_checkpoint(session, queued, LOCAL_ADMINISTRATOR)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
class TestFullDisk:
    """The others' disk is their own affair; what follows from a cancel in the home is tests/executors/local's."""

    @pytest.fixture
    def full(self, database: Database, tmp_path: Path) -> Iterator[Database]:
        """A home with a run that has started, on a disk that is full by now."""
        with small_disk(tmp_path / "small", "24m") as place:
            shutil.copy(str(database.file), place / "training.db")
            found = Database("sqlite:///training.db", home=place)
            (place / ".finery").mkdir()
            assert found.reserve.fill()
            with found.write() as session:
                runs.create(session, builders.sft(place, id="r"), builders.context(place), LOCAL_ADMINISTRATOR)
            with found.write() as session:
                claims.claim_next(session, builders.machine(), executor="local", max_passed=20)
            # Nor is there room left in the write-ahead log.
            with found.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            fill(place)
            yield found
            found.dispose()

    def test_a_cancel_gets_through_and_its_end_too(self, full: Database) -> None:
        with full.write() as session:
            runs.request_cancel(session, "r", LOCAL_ADMINISTRATOR)
        with full.read() as session:
            [live] = attempts.list_live(session)
        with full.write() as session:
            attempts.finish(session, live.ref, reason=Reason.DISK_FULL, message=None, ending=None, max_lost=5)
        with full.read() as session:
            assert runs.get(session, "r", LOCAL_ADMINISTRATOR).status is RunStatus.CANCELLED

    def test_the_end_of_a_run_gets_through(self, full: Database) -> None:
        with full.read() as session:
            [live] = attempts.list_live(session)
        with full.write() as session:
            attempts.finish(session, live.ref, reason=Reason.DISK_FULL, message=None, ending=None, max_lost=5)
        with full.read() as session:
            assert runs.get(session, "r", LOCAL_ADMINISTRATOR).reason is Reason.DISK_FULL

    def test_nothing_else_takes_the_reserve(self, full: Database) -> None:
        with pytest.raises(OperationalError, match="full"):
            with full.write() as session:
                runs.request_checkpoint(session, "r", LOCAL_ADMINISTRATOR)
        assert full.reserve.fill()
