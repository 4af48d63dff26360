"""A machine that is short of something starts nothing, and fails nobody."""

import contextlib
import errno
import logging
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from finery.contracts.events import StatusEvent
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.process import Handle, Launch, Outcome
from finery.contracts.run import Run
from finery.contracts.status import Reason, RunStatus
from finery.db import Database
from finery.domain import runs
from finery.executors.base import Unreachable
from finery.models import LeaseRow, RunRow
from finery.scheduler.back_off import BackOff
from finery.scheduler.redactors import Redactors
from finery.scheduler.registry import LOCAL
from finery.scheduler.settings import SchedulerSettings
from finery.scheduler.submitter import Submitter
from finery.scheduler.watcher import Watcher
from tests import builders
from tests.clock import Clock
from tests.executors.fake import FakeExecutor, Script

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
DONE = Script(exit_code=0, outcome=Outcome(reason=Reason.COMPLETED))
LACKING = [errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EAGAIN, errno.ENOMEM]


@dataclass
class Machine:
    """The loops that start runs and mind them, one pass at a time."""

    database: Database
    executor: FakeExecutor
    clock: Clock
    submitter: Submitter
    watcher: Watcher
    scripts: list[Script]
    """The first is what the next attempt does."""

    def submit(self, run_id: str, home: Path) -> None:
        with self.database.write() as session:
            runs.create(session, builders.command("true", id=run_id), builders.context(home), LOCAL_ADMINISTRATOR)

    def pass_by(self, seconds: float = 0.0) -> None:
        self.clock.now += seconds
        self.submitter.work()
        self.watcher.work()

    def get(self, run_id: str) -> Run:
        with self.database.read() as session:
            return runs.get(session, run_id, LOCAL_ADMINISTRATOR)

    def messages(self, run_id: str) -> list[str]:
        with self.database.read() as session:
            events = runs.list_events(session, run_id, LOCAL_ADMINISTRATOR)
        return [one.data.message for one in events if isinstance(one, StatusEvent) and one.data.message is not None]

    def lost_count(self, run_id: str) -> int:
        with self.database.read() as session:
            return session.scalars(select(RunRow.lost_count).where(RunRow.id == run_id)).one()


@pytest.fixture
def machine(database: Database, home: Path) -> Machine:
    context, clock = builders.context(home), Clock()
    scripts = [DONE]
    executor = FakeExecutor(lambda launch: scripts[0])
    redactors, settings = Redactors(database, context), SchedulerSettings()
    back_off = BackOff(lambda: None, clock)
    submitter = Submitter(database, context, {LOCAL: executor}, settings, redactors, back_off)
    watcher = Watcher(database, context, {LOCAL: executor}, settings, redactors, lambda: submitter.is_busy, back_off)
    return Machine(database, executor, clock, submitter, watcher, scripts)


class TestShortage:
    @pytest.mark.parametrize("number", LACKING)
    def test_puts_the_run_back_until_it_is_over(
        self, machine: Machine, home: Path, number: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "finery.scheduler")
        machine.executor.lacks = number
        machine.submit("r", home)
        for _ in range(8):
            machine.pass_by(100.0)
            assert machine.get("r").status is RunStatus.QUEUED
        assert (machine.lost_count("r"), len(machine.messages("r"))) == (0, 1)
        assert len(caplog.records) == 1
        machine.executor.lacks = None
        machine.pass_by(100.0)
        assert machine.get("r").status is RunStatus.SUCCEEDED

    def test_nobody_is_tried_before_the_wait_is_over(self, machine: Machine, home: Path) -> None:
        machine.executor.lacks = errno.EMFILE
        for name in ("a", "b", "c"):
            machine.submit(name, home)
        machine.pass_by()
        machine.pass_by(0.5)
        assert [machine.get(name).attempt for name in ("a", "b", "c")] == [1, 0, 0]
        machine.pass_by(0.6)
        assert [machine.get(name).attempt for name in ("a", "b", "c")] == [2, 0, 0]

    @pytest.mark.parametrize("number", LACKING)
    def test_that_the_shim_met(self, machine: Machine, home: Path, number: int) -> None:
        machine.scripts.insert(0, Script(start_error="no room", start_errno=number))
        machine.submit("r", home)
        machine.pass_by()
        run = machine.get("r")
        assert (run.status, run.attempt, machine.lost_count("r")) == (RunStatus.QUEUED, 1, 0)
        machine.scripts.pop(0)
        machine.pass_by(2.0)
        assert (machine.get("r").status, machine.get("r").attempt) == (RunStatus.SUCCEEDED, 2)

    def test_what_is_no_shortage_fails(self, machine: Machine, home: Path) -> None:
        machine.executor.lacks = errno.EACCES
        machine.submit("r", home)
        machine.pass_by()
        run = machine.get("r")
        assert (run.status, run.reason) == (RunStatus.FAILED, Reason.START_FAILED)

    def test_a_recipe_that_is_not_known_any_more_fails(self, machine: Machine, home: Path, database: Database) -> None:
        machine.submit("r", home)
        with database.write() as session:
            session.execute(update(RunRow).values(recipe="alchemy"))
        machine.pass_by()
        run = machine.get("r")
        assert (run.status, run.reason) == (RunStatus.FAILED, Reason.START_FAILED)
        assert run.error == "this server knows no recipe 'alchemy'"

    def test_of_the_database_too_is_made_good_later(self, machine: Machine, home: Path, database: Database) -> None:
        """The claim cannot be given back at once: it is nobody's meanwhile, and given back when it can be."""
        machine.submit("r", home)
        machine.executor.lacks = errno.ENOSPC
        when = "BEFORE UPDATE OF status ON runs WHEN NEW.status = 'queued'"
        with database.write() as session:
            session.execute(text(f"CREATE TRIGGER refuse {when} BEGIN SELECT RAISE(FAIL, 'full'); END"))
        with pytest.raises(Exception, match="full"):
            machine.submitter.work()
        assert machine.submitter.is_busy
        machine.watcher.work()
        assert machine.get("r").status is RunStatus.STARTING
        with database.write() as session:
            session.execute(text("DROP TRIGGER refuse"))
        machine.pass_by()
        assert (machine.get("r").status, machine.lost_count("r")) == (RunStatus.QUEUED, 0)
        with database.read() as session:
            assert session.scalars(select(LeaseRow)).all() == []


class TestEndInTheLog:
    def test_tells_the_reason_that_was_decided(
        self, machine: Machine, home: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The process had ended by itself when the cancel came."""
        caplog.set_level(logging.INFO, "finery.scheduler")
        machine.submit("r", home)
        machine.submitter.work()
        with machine.database.write() as session:
            runs.request_cancel(session, "r", LOCAL_ADMINISTRATOR)
        machine.watcher.work()
        assert "run r: cancelled (cancelled)" in caplog.messages


class TestFaults:
    def test_of_one_run_stop_no_other(
        self, machine: Machine, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        submit = machine.executor.submit

        def faulty(launch: Launch) -> Handle:
            handle = submit(launch)
            if launch.directory.name == "a":
                raise ValueError("/data is not mounted there")
            return handle

        monkeypatch.setattr(machine.executor, "submit", faulty)
        machine.submit("a", home)
        machine.submit("b", home)
        machine.pass_by()
        a, b = machine.get("a"), machine.get("b")
        assert (a.status, a.reason, a.attempt) == (RunStatus.FAILED, Reason.START_FAILED, 1)
        assert a.error == "ValueError: /data is not mounted there"
        assert [handle.directory.name for handle in machine.executor.swept] == ["a"]
        assert b.status is RunStatus.SUCCEEDED
        assert "went wrong" in caplog.text

    def test_an_executor_out_of_reach_is_waited_for(self, machine: Machine, home: Path) -> None:
        machine.executor.reachable = False
        machine.submit("r", home)
        for _ in range(3):
            with contextlib.suppress(Unreachable):
                machine.pass_by(100.0)
        assert machine.get("r").attempt == 1
        machine.executor.reachable = True
        machine.pass_by(100.0)
        machine.pass_by(100.0)
        assert machine.get("r").status is RunStatus.SUCCEEDED
