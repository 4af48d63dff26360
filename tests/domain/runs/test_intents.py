from pathlib import Path

import pytest

from finery.contracts.events import EventType
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.status import RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.runs import attempts, claims
from finery.domain.runs.errors import IntentRefused, NotControllable, RunFinished, RunNotFound
from tests import builders


@pytest.fixture
def queued(database: Database, home: Path) -> str:
    with database.write() as session:
        return runs.create(session, builders.sft(home, id="r"), builders.ground(home), LOCAL_ADMINISTRATOR).id


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
    def test_queued_then_resumed(self, database: Database, queued: str) -> None:
        with database.write() as session:
            assert runs.request_pause(session, queued, LOCAL_ADMINISTRATOR).status is RunStatus.PAUSED
        with database.write() as session:
            assert runs.resume(session, queued, LOCAL_ADMINISTRATOR).status is RunStatus.QUEUED

    def test_a_command_refuses(self, database: Database, home: Path) -> None:
        with database.write() as session:
            runs.create(session, builders.command(id="c"), builders.ground(home), LOCAL_ADMINISTRATOR)
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
            runs.create(session, builders.external("job-001"), builders.ground(home), LOCAL_ADMINISTRATOR)
        with pytest.raises(NotControllable):
            with database.write() as session:
                runs.request_pause(session, "job-001", LOCAL_ADMINISTRATOR)


class TestResume:
    def test_only_a_paused_run(self, database: Database, queued: str) -> None:
        with pytest.raises(IntentRefused):
            with database.write() as session:
                runs.resume(session, queued, LOCAL_ADMINISTRATOR)


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
