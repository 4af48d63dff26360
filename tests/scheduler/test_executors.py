"""Each attempt is looked after by the executor that it was started with."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import update

from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.process import Handle, Outcome
from finery.contracts.run import Run
from finery.contracts.status import Reason, RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.runs import attempts
from finery.kit.notifier import Notifier
from finery.models import AttemptRow
from finery.scheduler.back_off import BackOff
from finery.scheduler.redactors import Redactors
from finery.scheduler.registry import ExecutorNotMade, Executors
from finery.scheduler.scheduler import Scheduler
from finery.scheduler.settings import SchedulerSettings
from finery.scheduler.stopper import Stopper
from finery.scheduler.submitter import Submitter
from finery.scheduler.watcher import Watcher
from tests import builders
from tests.executors.fake import FakeExecutor

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@dataclass
class Loops:
    """As a server has them that starts runs at `executor`."""

    submitter: Submitter
    watcher: Watcher
    stopper: Stopper

    @classmethod
    def of(cls, database: Database, home: Path, executors: Executors, executor: str) -> "Loops":
        context, settings = builders.context(home), SchedulerSettings(executor=executor)
        redactors, back_off = Redactors(database, context), BackOff(lambda: None)
        return cls(
            Submitter(database, context, executors, settings, redactors, back_off),
            Watcher(database, context, executors, settings, redactors, lambda: False, back_off),
            Stopper(database, context, executors, settings),
        )

    def pass_by(self) -> None:
        self.submitter.work()
        self.watcher.work()
        self.stopper.work()


@pytest.fixture
def executors() -> Executors:
    return Executors(local=FakeExecutor(), far=FakeExecutor())


@pytest.fixture
def run_id(database: Database, home: Path, executors: Executors) -> str:
    """Of a run that lives at `far`, of a server that starts the next ones there, too."""
    with database.write() as session:
        runs.create(session, builders.command("true", id="r"), builders.context(home), LOCAL_ADMINISTRATOR)
    Loops.of(database, home, executors, "far").pass_by()
    return "r"


def get(database: Database, run_id: str) -> Run:
    with database.read() as session:
        return runs.get(session, run_id, LOCAL_ADMINISTRATOR)


def handle_of(database: Database) -> Handle:
    with database.read() as session:
        (live,) = attempts.list_live(session)
    assert live.handle is not None
    return live.handle


def fake(executors: Executors, name: str) -> FakeExecutor:
    found = executors[name]
    assert isinstance(found, FakeExecutor)
    return found


class TestAttempt:
    def test_is_minded_where_it_was_started(
        self, database: Database, home: Path, executors: Executors, run_id: str
    ) -> None:
        local, far = fake(executors, "local"), fake(executors, "far")
        with database.read() as session:
            (live,) = attempts.list_live(session)
        assert (live.executor, live.status, len(far.submitted)) == ("far", RunStatus.RUNNING, 1)
        loops = Loops.of(database, home, executors, "local")
        far.write(handle_of(database), "events.jsonl", b'{"type": "progress", "at": 1.0, "data": {"step": 1}}\n')
        loops.pass_by()
        assert get(database, run_id).progress.step == 1
        with database.write() as session:
            runs.request_cancel(session, run_id, LOCAL_ADMINISTRATOR)
        loops.pass_by()
        loops.pass_by()
        assert get(database, run_id).status is RunStatus.CANCELLED
        assert (len(far.stopped), local.submitted, local.stopped, local.swept) == (1, [], [], [])

    def test_the_next_one_starts_where_runs_are_started_now(
        self, database: Database, home: Path, executors: Executors, run_id: str
    ) -> None:
        local, far = fake(executors, "local"), fake(executors, "far")
        with database.write() as session:
            # The server ended before it was launched.
            session.execute(update(AttemptRow).values(handle=None))
        loops = Loops.of(database, home, executors, "local")
        loops.pass_by()
        loops.pass_by()
        assert (get(database, run_id).status, get(database, run_id).attempt) == (RunStatus.RUNNING, 2)
        assert (len(far.submitted), len(local.submitted), len(far.swept), local.swept) == (1, 1, 1, [])

    def test_of_an_executor_that_is_not_known_now_nothing_is_known(
        self, database: Database, home: Path, executors: Executors, run_id: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        far = executors.pop("far")
        loops = Loops.of(database, home, executors, "local")
        loops.pass_by()
        loops.pass_by()
        assert get(database, run_id).status is RunStatus.RUNNING
        assert caplog.messages == ["run r: this server has no executor 'far'; it is tried again"] * 2
        executors["far"] = far
        assert isinstance(far, FakeExecutor)
        far.end(handle_of(database), exit_code=0, outcome=Outcome(reason=Reason.COMPLETED))
        loops.pass_by()
        assert get(database, run_id).status is RunStatus.SUCCEEDED


def test_one_that_is_not_registered_starts_no_server(database: Database, home: Path) -> None:
    with pytest.raises(ExecutorNotMade, match="no executor 'slwo'; known: local"):
        Scheduler(database, builders.context(home), Notifier(), SchedulerSettings(executor="slwo", warm_start="off"))
