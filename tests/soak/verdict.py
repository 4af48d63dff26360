"""Every promise, counted after a round: all zero, or something is broken."""

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from finery.contracts.events import Event
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import Run, RunFilter
from finery.contracts.status import FINISHED, Reason, RunStatus
from finery.db import Database
from finery.domain import runs
from finery.kit.processes import Process
from tests.promises import Broken, broken_log, broken_promises
from tests.soak.clients import Clients
from tests.soak.world import World, open_database

STANDSTILL_SECONDS = 240.0
"""After which runs have come to a stop where none of them went on. A soak may have little of its machine."""
PARTING_SECONDS = 15.0
"""For which a process may be seen after its run's end was told."""
MANY = 100_000
LOST = (Reason.LOST, Reason.KILLED)


@dataclass
class Verdict:
    ends: dict[str, int]
    broken: dict[str, int]
    started_again: int = 0
    told: list[str] = field(default_factory=list)
    """What is wrong with whom."""

    def blame(self, promise: str, culprits: list[str]) -> None:
        self.broken[promise] = self.broken.get(promise, 0) + len(culprits)
        self.told += [f"{promise}: {one}" for one in culprits]

    def blame_all(self, broken: Broken) -> None:
        for promise, culprits in broken.items():
            self.blame(promise, culprits)


def judge(world: World, clients: Clients | None = None) -> Verdict:
    """The server is up: what flows must end by itself."""
    database = open_database(world)
    try:
        found = _wait_for_all(database)
        verdict = Verdict(ends=dict(Counter(str(run.status) for run in found)), broken={})
        accepted, cancelled = ((), ()) if clients is None else (clients.accepted.values(), clients.cancelled)
        verdict.blame_all(broken_promises(database, world.home, accepted=accepted, cancelled=cancelled))
        if clients is not None:
            _judge_work(verdict, world, clients, found)
    finally:
        database.dispose()
    code = 0 if world.server is None else world.stop_server()
    verdict.blame("server that did not end well", [f"exit code {code}"] if code else [])
    verdict.blame("process left", [str(process) for process in _processes_left(world)])
    # A kill leaves none; whatever the server lacks is told in a line.
    verdict.blame_all(broken_log(world.log))
    return verdict


def _wait_for_all(database: Database) -> list[Run]:
    deadline, before = 0.0, None
    while True:
        with database.read() as session:
            found = runs.list_page(session, RunFilter(), LOCAL_ADMINISTRATOR, limit=MANY).runs
        statuses = [run.status for run in found]
        if statuses != before:
            deadline, before = time.monotonic() + STANDSTILL_SECONDS, statuses
        if all(status in FINISHED for status in statuses) or time.monotonic() > deadline:
            return found
        time.sleep(0.3)


def events_of(database: Database, run_id: str) -> list[Event]:
    with database.read() as session:
        return runs.list_events(session, run_id, LOCAL_ADMINISTRATOR, limit=MANY)


def _processes_left(world: World) -> list[Process]:
    """After the server's end: all runs had ended, so nothing of this home is under way."""
    deadline = time.monotonic() + PARTING_SECONDS
    while (left := world.processes()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _judge_work(verdict: Verdict, world: World, clients: Clients, found: list[Run]) -> None:
    names = Counter(run.name for run in found)
    programs = {run.id: _program(world.folder / "ran" / str(run.name)) for run in found}
    twice = [run for run in found if programs[run.id]["started"] > 1]
    may_be_twice = {run.id for run in twice if _may_start_again(world, run)}
    verdict.started_again = len(may_be_twice)
    verdict.blame("there twice", [str(name) for name, count in names.items() if count > 1])
    verdict.blame("carried out twice", [f"{run.id} {run.name}" for run in twice if run.id not in may_be_twice])
    verdict.blame("wrong end", [_describe(run) for run in found if _is_wrong(world, clients, run)])
    verdict.blame(
        "succeeded, but not carried out",
        [run.id for run in found if run.status is RunStatus.SUCCEEDED and not programs[run.id]["ended"]],
    )
    verdict.blame("answered with 500", [str(clients.answers[500])] if clients.answers[500] else [])
    verdict.blame("refused", clients.refusals)


def _program(path: Path) -> Counter[str]:
    return Counter(path.read_text().split()) if path.exists() else Counter()


def _may_start_again(world: World, run: Run) -> bool:
    return world.victims[run.id] > 0 and Clients.is_restartable(str(run.name))


def _describe(run: Run) -> str:
    return f"{run.id} {run.name} ended {run.status} ({run.reason}): {run.error}"


def _is_wrong(world: World, clients: Clients, run: Run) -> bool:
    if run.id in clients.cancelled:
        return False
    if run.status is RunStatus.CANCELLED:
        # A cancel whose answer was lost with the server may have been accepted.
        return run.id not in clients.asked_to_cancel
    if world.victims[run.id] and not Clients.is_restartable(str(run.name)) and run.reason in LOST:
        # It was under way when we killed it, and a program is never started a second time.
        return False
    if world.kills["read-only"] and run.reason is Reason.DISK_FULL:
        # What was under way ends with an error that names the disk; what was not waits.
        return False
    return run.status is not RunStatus.SUCCEEDED
