"""Clients that follow runs' events, and come back with Last-Event-ID whenever the server was killed."""

import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from finery.client.sse import read_messages
from finery.contracts.status import RunStatus
from finery.db import Database
from tests.soak.clients import Clients
from tests.soak.verdict import Verdict, events_of
from tests.soak.world import World, open_database

FOLLOWERS = 6
GIVE_UP_SECONDS = 300.0
PROGRAM = (
    'echo started >>"$0"; n=0; while [ $n -lt 20 ]; do n=$((n+1)); '
    'printf \'{"type": "progress", "at": 1.5, "data": {"step": %s, "total_steps": 20}}\\n\' $n >>"$FINERY_EVENTS"; '
    'sleep "$1"; done; echo ended >>"$0"'
)
"""The shell's: twenty events."""
STEP_SECONDS = 0.12
"""Between two of them, at most."""


@dataclass
class Followed:
    run_id: str
    events: list[Any] = field(default_factory=list)
    """As they came, in the order in which they came."""
    connections: int = 0
    is_over: bool = False

    @property
    def last(self) -> int:
        return int(self.events[-1]["sequence"]) if self.events else 0


class Followers:
    def __init__(self, world: World, clients: Clients) -> None:
        self.followed: dict[str, Followed] = {}
        self._world = world
        self._clients = clients
        self._choosing = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(FOLLOWERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Each follows its run to the end."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def judge(self, verdict: Verdict) -> None:
        """What came is what is stored: once each, in order, and all."""
        database = open_database(self._world)
        wrong = [one.run_id for one in self.followed.values() if one.events != _stored(database, one.run_id)]
        database.dispose()
        verdict.blame("stream with a gap, a repeat or no end", wrong)

    def _work(self) -> None:
        while not self._over.is_set():
            followed = self._choose()
            if followed is None:
                time.sleep(0.05)
                continue
            deadline = time.monotonic() + GIVE_UP_SECONDS
            while not followed.is_over and time.monotonic() < deadline:
                self._connect(followed)

    def _choose(self) -> Followed | None:
        with self._choosing:
            run_id = next((one for one in list(self._clients.accepted.values()) if one not in self.followed), None)
            return None if run_id is None else self.followed.setdefault(run_id, Followed(run_id))

    def _connect(self, followed: Followed) -> None:
        headers = {"Last-Event-ID": str(followed.last)} if followed.events else {}
        url = f"{self._world.address}/api/v1/runs/{followed.run_id}/events/stream"
        try:
            with httpx.stream("GET", url, headers=headers, timeout=20, trust_env=False) as answer:
                followed.connections += 1
                followed.is_over = answer.status_code == 204
                if answer.status_code == 200:
                    self._read(followed, answer)
        except httpx.TransportError:
            pass
        time.sleep(0.05)

    def _read(self, followed: Followed, answer: httpx.Response) -> None:
        for message in read_messages(answer.iter_bytes()):
            event = json.loads(message.data)
            followed.events.append(event)
            if event["type"] == "status" and RunStatus(event["data"]["to"]).is_finished:
                followed.is_over = True
                return


def _stored(database: Database, run_id: str) -> list[Any]:
    return [event.model_dump(mode="json") for event in events_of(database, run_id)]
