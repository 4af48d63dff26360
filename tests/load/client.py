"""Many requests at once, and what became of each."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.load.pace import slowness

PATIENCE_SECONDS = 120.0
"""Of a client: what takes so long counts as not answered."""


@dataclass(frozen=True)
class Answer:
    status: int
    """0: none came."""
    seconds: float
    body: Any
    """What its JSON says; None where there is none."""
    headers: dict[str, str]


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
                return Answer(answer.status, seconds, body if is_json else None, dict(answer.headers))
        except (aiohttp.ClientError, TimeoutError):
            return Answer(0, time.perf_counter() - began, None, {})


@dataclass
class Beside:
    """A reader that asks again and again while something else goes on."""

    answers: list[Answer] = field(default_factory=list)

    @property
    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer in self.answers)

    def percentile(self, share: float) -> float:
        """Seconds, by rank."""
        times = sorted(answer.seconds for answer in self.answers)
        return times[min(len(times) - 1, int(len(times) * share))]


@asynccontextmanager
async def reader_beside(client: Client, path: str, *, pause: float = 0.02) -> AsyncIterator[Beside]:
    beside = Beside()

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


@dataclass(frozen=True)
class Burst:
    answers: Sequence[Answer]
    beside: Beside
    slowness: float
    """By which factor this machine was slower than a quiet one of two cores, before and after."""

    @property
    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer in self.answers)

    @property
    def seconds(self) -> float:
        """Until the last one was answered."""
        return max(answer.seconds for answer in self.answers)


async def burst(client: Client, requests: Sequence[tuple[str, str, object]], *, read: str) -> Burst:
    """All `requests` (method, path, JSON body) at once, and a reader of `read` beside them."""
    before = slowness()
    async with reader_beside(client, read) as beside:
        answers = await asyncio.gather(*(client.ask(method, path, body) for method, path, body in requests))
    return Burst(answers, beside, max(before, slowness()))
