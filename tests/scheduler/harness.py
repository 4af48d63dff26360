"""A scheduler in a process of its own, and what a test wants to know of its runs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from finery.contracts.events import EventType, StatusEvent
from finery.contracts.layout import HomeDirectory, mark_of, process_mark
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import NewRun, Run
from finery.contracts.status import FINISHED, RunStatus
from finery.db import Database
from finery.domain import runs
from finery.kit.files import read_json
from finery.kit.home_identity import identify_home
from finery.kit.processes import Identity, Process, marked
from finery.models import AttemptRow, LeaseRow
from tests import builders

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 60.0


class Harness:
    def __init__(self, home: Path, database: Database) -> None:
        self.home = home
        self.database = database
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, failpoints: str = "") -> None:
        url = self.database.url.render_as_string(hide_password=False)
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
        if failpoints:
            environment |= {"FINERY_FAILPOINTS": failpoints, "FINERY_FAILPOINTS_ONCE": str(self.home / "fired")}
        with (self.home / "scheduler.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.scheduler.program", str(self.home), url],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> None:
        """The scheduler, then whatever it would have left running on purpose."""
        self.kill()
        for attempt in (self.home / "runs").glob("*/attempts/*"):
            for process in self.processes_of(attempt.parents[1].name, int(attempt.name)):
                process.identity.signal(signal.SIGKILL)
            record = read_json(attempt / "shim.json") or {}
            for actor in ("shim", "process"):
                identity = Identity.parse(record.get(actor))
                if identity is not None:
                    identity.signal(signal.SIGKILL)

    def died(self, timeout: float) -> bool:
        """Whether the scheduler ended by itself within `timeout` seconds."""
        assert self.process is not None
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def submit(self, new: NewRun) -> str:
        with self.database.write() as session:
            return runs.create(session, new, builders.context(self.home), LOCAL_ADMINISTRATOR).id

    def get(self, run_id: str) -> Run:
        with self.database.read() as session:
            return runs.get(session, run_id, LOCAL_ADMINISTRATOR)

    def events(self, run_id: str) -> list[EventType]:
        with self.database.read() as session:
            return [event.type for event in runs.list_events(session, run_id, LOCAL_ADMINISTRATOR, limit=100_000)]

    def data(self, run_id: str, type: EventType) -> list[dict[str, Any]]:
        with self.database.read() as session:
            events = runs.list_events(session, run_id, LOCAL_ADMINISTRATOR, limit=100_000)
        return [event.data.as_json() for event in events if event.type is type]

    def wait_for(self, run_id: str, *statuses: RunStatus, timeout: float = DEADLINE_SECONDS) -> Run:
        deadline = time.monotonic() + timeout
        while (run := self.get(run_id)).status not in statuses:
            if time.monotonic() > deadline:
                raise AssertionError(f"{run.status} after {timeout} s; expected {statuses}\n{self._log()}")
            time.sleep(0.03)
        return run

    def wait_for_end(self, run_id: str, timeout: float = DEADLINE_SECONDS) -> Run:
        return self.wait_for(run_id, *FINISHED, timeout=timeout)

    def assert_promises(self, run_id: str) -> None:
        """One terminal event, no gap, no lease, no live attempt, no process."""
        with self.database.read() as session:
            events = runs.list_events(session, run_id, LOCAL_ADMINISTRATOR, limit=100_000)
            leases = session.scalar(select(func.count()).select_from(LeaseRow))
            live = session.scalar(select(func.count()).select_from(AttemptRow).where(AttemptRow.live_run.is_not(None)))
        ends = [one for one in events if isinstance(one, StatusEvent) and one.data.to.is_finished]
        assert len(ends) == 1
        assert events[-1] == ends[0]
        assert [one.sequence for one in events] == list(range(1, len(events) + 1))
        assert (leases, live) == (0, 0)
        attempt = self.get(run_id).attempt
        assert [number for number in range(1, attempt + 1) if self.processes_of(run_id, number)] == []

    def processes_of(self, run_id: str, attempt: int) -> list[Process]:
        where = HomeDirectory(self.home)
        return marked(process_mark(mark_of(identify_home(where.state), where.run(run_id).path, attempt)))

    def _log(self) -> str:
        path = self.home / "scheduler.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""
