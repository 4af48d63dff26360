"""A real server, what its clients were promised, and the check that ends each scenario."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import select

from finery.contracts.status import FINISHED, RunStatus
from finery.db import Database
from finery.models import RunRow
from tests.load.client import Client
from tests.load.pace import slowness
from tests.promises import Broken, broken_log, broken_promises, processes_of
from tests.servers import RunningServer

SETTLE_SECONDS = 60.0
"""For all runs to have ended once they were cancelled, and for their processes to have gone."""
MOST_LOG_LINES = 200
"""A fault is worth some lines, not one for each request."""


@dataclass
class World:
    home: Path
    kind: str
    server: RunningServer
    """The one that serves; a scenario may put another in its place."""
    database: Database
    most_log_lines: int = MOST_LOG_LINES
    accepted: list[str] = field(default_factory=list)
    """Ids of runs whose creation was answered with success."""
    cancelled: set[str] = field(default_factory=set)
    """Ids of runs whose cancel was answered with success."""

    @property
    def process(self) -> psutil.Process:
        """The server's."""
        assert self.server.process is not None
        return psutil.Process(self.server.process.pid)

    @property
    def memory_bytes(self) -> int:
        """What the server holds of the machine's memory."""
        return int(self.process.memory_info().rss)

    def create(self, body: dict[str, Any], **headers: str) -> str:
        """The id of a run that the server has accepted."""
        answer = httpx.post(f"{self.server.url}/api/v1/runs", json=body, headers=headers, timeout=30.0)
        assert answer.status_code == 201, answer.text
        self.accepted.append(answer.json()["id"])
        return self.accepted[-1]

    def status(self, run_id: str) -> RunStatus:
        with self.database.read() as session:
            return RunStatus(session.scalars(select(RunRow.status).where(RunRow.id == run_id)).one())

    def wait_for(self, run_id: str, *statuses: RunStatus, seconds: float = 30.0) -> RunStatus:
        wait_until(lambda: self.status(run_id) in statuses, f"{run_id} is {', '.join(statuses)}", seconds)
        return self.status(run_id)

    def wait_for_end(self, run_id: str, seconds: float = 60.0) -> RunStatus:
        return self.wait_for(run_id, *FINISHED, seconds=seconds)

    def settle(self) -> None:
        """Cancel what has not ended by itself, all at once, and wait until nothing goes on any more."""
        asyncio.run(self._cancel(self._unfinished()))
        wait_until(lambda: not self._unfinished(), "every run has ended", SETTLE_SECONDS)
        homes = {self.home, self.server.home}
        wait_until(lambda: not any(map(processes_of, homes)), "no process is left", SETTLE_SECONDS)

    def _unfinished(self) -> list[str]:
        with self.database.read() as session:
            return list(session.scalars(select(RunRow.id).where(RunRow.status.not_in(FINISHED))))

    async def _cancel(self, run_ids: list[str]) -> None:
        async with Client(self.server.url) as client:
            answers = await asyncio.gather(*(client.ask("POST", f"/api/v1/runs/{run_id}/cancel") for run_id in run_ids))
        for run_id, answer in zip(run_ids, answers, strict=True):
            # 409: it has ended by itself meanwhile.
            assert answer.status in (200, 409), answer
            if answer.status == 200:
                self.cancelled.add(run_id)

    def broken(self) -> Broken:
        """Only what is."""
        found = broken_promises(self.database, self.home, accepted=self.accepted, cancelled=self.cancelled)
        found |= broken_log(self.server.log, most_lines=self.most_log_lines)
        return {promise: actor for promise, actor in found.items() if actor}


@contextmanager
def world_in(
    home: Path, kind: str, url: str, environment: Mapping[str, str], prefix: Sequence[str] = ()
) -> Iterator[World]:
    """A server on an empty home and database; when the block has ended well, every promise must hold."""
    if kind != "sqlite":
        environment = {**environment, "TRAINING_DB_URL": url}
    server = RunningServer(home, **environment)
    server.prefix = list(prefix)
    world = World(home, kind, server, Database(url, home=home))
    try:
        server.start()
        yield world
        world.settle()
        broken = world.broken()
        assert not broken, broken
        assert world.server.stop() == 0, "the server does not end as it should"
    finally:
        for each in (server, world.server):
            each.kill()
            for process in processes_of(each.home):
                process.identity.signal(signal.SIGKILL)
        world.database.dispose()


def wait_until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Raises AssertionError when `what` is not so after `seconds` on a quiet machine."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds and time.monotonic() - began > seconds * slowness():
            raise AssertionError(f"not so after {time.monotonic() - began:.0f} seconds: {what}")
        time.sleep(0.05)
