"""Many requests at once, and what became of each."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from json import loads
from typing import Any

import aiohttp

from finery.contracts.status import RunStatus
from tests.load.pace import worst_slowness

PATIENCE_SECONDS = 120.0
"""Of a client: what takes so long counts as not answered."""


NO_ANSWER = 0
STREAM = aiohttp.ClientTimeout(total=None, sock_read=PATIENCE_SECONDS)


@dataclass(frozen=True)
class Answer:
    status: int
    """NO_ANSWER: none came."""
    seconds: float
    body: Any
    """What its JSON says; None where there is none."""
    headers: dict[str, str]
    """Names in lower case."""


@dataclass
class Followed:
    """What came over an event stream."""

    sequences: list[int] = field(default_factory=list)
    last: Any = None
    """The last event."""
    has_ended: bool = False
    """The server has closed the stream."""

    @property
    def is_terminal(self) -> bool:
        return (
            self.last is not None and self.last["type"] == "status" and RunStatus(self.last["data"]["to"]).is_finished
        )


class Client:
    """Opens as many connections as there are requests."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Client":
        self._session = aiohttp.ClientSession(
            self._url,
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def ask(self, method: str, path: str, json: object = None, **headers: str) -> Answer:
        assert self._session is not None
        began = time.perf_counter()
        try:
            async with self._session.request(method, path, json=json, headers=headers) as answer:
                is_json = answer.content_type == "application/json"
                body = await (answer.json() if is_json else answer.read())
                seconds = time.perf_counter() - began
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Answer(answer.status, seconds, body if is_json else None, headers)
        except (aiohttp.ClientError, TimeoutError):
            return Answer(NO_ANSWER, time.perf_counter() - began, None, {})

    async def insist(self, method: str, path: str, json: object = None, **headers: str) -> list[Answer]:
        """Ask again and again, as a client with an Idempotency-Key may, until it is told something else than to come
        back; every answer, the last one included."""
        answers = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answers.append(await self.ask(method, path, json, **headers))
            if answers[-1].status not in (NO_ANSWER, 503) or time.monotonic() > deadline:
                return answers
            await asyncio.sleep(min(float(answers[-1].headers.get("retry-after", 0.2)), 1.0))

    async def follow(self, run_id: str, *, after: int = 0, most: int | None = None) -> "Followed":
        """Read a run's event stream until the server ends it, or until `most` events have come; then cut it off. Where
        the server says that it is busy, nothing has come."""
        assert self._session is not None
        followed = Followed()
        headers = {"Last-Event-ID": str(after)} if after else {}
        path = f"/api/v1/runs/{run_id}/events/stream"
        async with self._session.get(path, headers=headers, timeout=STREAM) as answer:
            if answer.status == 503:
                # As an EventSource does: it has seen nothing new, and comes back.
                await asyncio.sleep(float(answer.headers["Retry-After"]))
                return followed
            assert answer.status == 200, answer.status
            async for line in answer.content:
                if line.startswith(b"id: "):
                    followed.sequences.append(int(line[4:]))
                elif line.startswith(b"data: "):
                    followed.last = loads(line[6:])
                if most is not None and len(followed.sequences) == most and line == b"\n":
                    answer.close()
                    return followed
        followed.has_ended = True
        return followed


@dataclass
class Beside:
    """A reader that asks again and again while something else goes on."""

    answers: list[Answer] = field(default_factory=list)
    slowness: float = 1.0
    """By which factor this machine was slower than a quiet one of two cores, at the worst of before and after."""

    @property
    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer in self.answers)

    def percentile(self, share: float) -> float:
        """Seconds, by rank."""
        times = sorted(answer.seconds for answer in self.answers)
        return times[min(len(times) - 1, int(len(times) * share))]


@asynccontextmanager
async def reader_beside(client: Client, path: str, *, pause: float = 0.02) -> AsyncIterator[Beside]:
    beside = Beside(slowness=worst_slowness())

    async def read() -> None:
        while True:
            beside.answers.append(await client.ask("GET", path))
            await asyncio.sleep(pause)

    reading = asyncio.create_task(read())
    try:
        yield beside
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        beside.slowness = max(beside.slowness, worst_slowness())


@dataclass(frozen=True)
class Burst:
    answers: Sequence[Answer]
    beside: Beside

    @property
    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer in self.answers)

    @property
    def seconds(self) -> float:
        """Until the last one was answered."""
        return max(answer.seconds for answer in self.answers)


async def burst(client: Client, requests: Sequence[tuple[str, str, object]], *, read: str) -> Burst:
    """All `requests` (method, path, JSON body) at once, and a reader of `read` beside them."""
    async with reader_beside(client, read) as beside:
        answers = await asyncio.gather(*(client.ask(method, path, body) for method, path, body in requests))
    return Burst(answers, beside)
