"""Clients that submit short runs with idempotency keys, repeat what was not answered, and cancel one in five."""

import contextlib
import random
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Any, Self

import httpx

from tests.soak.world import World

CLIENTS = 3
PAUSE_SECONDS = 0.15
PROGRAM = 'echo started >>"$0"; sleep "$1"; echo ended >>"$0"'
"""The shell's: it starts in a millisecond."""
GIVE_UP_SECONDS = 300.0


class Refused(Exception):
    """An answer that no promise allows."""


class Clients:
    """Work while the block goes on; at its end each has what it asked for last."""

    def __init__(self, world: World, *, seconds: float = 0.3, program: str = PROGRAM) -> None:
        """`seconds`: what a run takes at most, for its own part."""
        self.accepted: dict[str, str] = {}
        """Idempotency key → run id."""
        self.cancelled: set[str] = set()
        """Ids whose cancel was answered with 200."""
        self.asked_to_cancel: set[str] = set()
        self.answers: Counter[int] = Counter()
        """By status, but for the good ones."""
        self.refusals: list[str] = []
        self._world = world
        self._seconds = seconds
        self._program = program
        self._over = threading.Event()
        self._is_abandoned = False
        self._threads = [
            threading.Thread(target=self._work, args=(number, random.Random(world.random.random())), daemon=True)
            for number in range(CLIENTS)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.finish()
        else:
            # The round has come to a stop, and its server may never answer again.
            self._over.set()
            self._is_abandoned = True

    def finish(self) -> None:
        """Each client hears of what it asked last. The server is up, or soon will be."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    @staticmethod
    def is_restartable(key: str) -> bool:
        return key.endswith("-again")

    def _work(self, client_number: int, chance: random.Random) -> None:
        with httpx.Client(base_url=self._world.address, timeout=10, trust_env=False) as client:
            number = 0
            try:
                while not self._over.is_set():
                    number += 1
                    self._submit(client, chance, f"{client_number}-{number}" + ("-again" if number % 3 == 0 else ""))
                    time.sleep(PAUSE_SECONDS)
            except Refused as error:
                self.refusals.append(str(error))

    def _submit(self, client: httpx.Client, chance: random.Random, key: str) -> None:
        seconds = str(round(chance.random() * self._seconds, 2))
        argv = ["sh", "-c", self._program, str(self._world.folder / "ran" / key), seconds]
        config = {"argv": argv, "restartable": self.is_restartable(key)}
        body = {"recipe": "command", "name": key, "config": config}
        answer = self._insist(client, "/api/v1/runs", json=body, headers={"Idempotency-Key": key})
        if answer.status_code != 201:
            raise Refused(f"{key}: {answer.status_code} {answer.text[:500]}")
        run_id = answer.json()["id"]
        self.accepted[key] = run_id
        if chance.random() < 0.2:
            time.sleep(chance.random() * 0.5)
            self.asked_to_cancel.add(run_id)
            answer = self._insist(client, f"/api/v1/runs/{run_id}/cancel")
            if answer.status_code == 200:
                self.cancelled.add(run_id)
            elif answer.status_code != 409:
                raise Refused(f"cancel of {run_id}: {answer.status_code} {answer.text[:500]}")

    def _insist(self, client: httpx.Client, path: str, **request: Any) -> httpx.Response:
        """Ask until there is an answer: what a client with an idempotency key may do."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < deadline and not self._is_abandoned:
            with contextlib.suppress(httpx.TransportError):
                answer = client.post(path, **request)
                if answer.status_code < 500:
                    return answer
                self.answers[answer.status_code] += 1
            time.sleep(0.05)
        raise Refused(f"{path} was not answered for {GIVE_UP_SECONDS:g} s; {dict(self.answers)}")
