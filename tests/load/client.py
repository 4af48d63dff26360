"""Many requests at once, and what became of each."""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from json import loads
from typing import Any

import aiohttp

from finery.contracts.status import RunStatus
from tests.load.pace import IS_TIMED, worst_slowness

PATIENCE_SECONDS = 120.0
"""Of a client: what takes so long counts as not answered."""


NO_ANSWER = 0
MOST_OUTPUT_BYTES = 64 << 20
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
    ended: float = field(default_factory=time.monotonic)
    """When it was there, by the machine's monotonic clock."""


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
        self.url = url
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Client":
        self._session = aiohttp.ClientSession(
            self.url,
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


@dataclass(frozen=True)
class Read:
    """One request of a reader; its times are of the machine's monotonic clock."""

    status: int
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass
class Beside:
    """A reader that asks again and again while something else goes on."""

    reads: list[Read] = field(default_factory=list)
    slowness: float = 1.0
    """By which factor this machine was slower than a quiet one of two cores: the worst of before, meanwhile (on the
    average) and after."""

    @property
    def statuses(self) -> Counter[int]:
        return Counter(read.status for read in self.reads)

    def percentile(self, share: float) -> float:
        """Seconds, by rank."""
        times = sorted(read.seconds for read in self.reads)
        return times[min(len(times) - 1, int(len(times) * share))]

    def assert_answered(self, seconds: float) -> None:
        """Each read was answered; where times are looked at, 99 in a hundred within `seconds` of a quiet machine."""
        assert set(self.statuses) == {200}
        if IS_TIMED:
            assert self.percentile(0.99) <= seconds * self.slowness


@asynccontextmanager
async def reader_beside(url: str) -> AsyncIterator[Beside]:
    """A process that reads `url`; it has its first answer when the block begins, and its last when it has ended."""
    beside = Beside(slowness=worst_slowness())
    reader = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.load.reader", url, stdin=PIPE, stdout=PIPE, limit=MOST_OUTPUT_BYTES
    )
    assert reader.stdout is not None
    try:
        assert await reader.stdout.readline() == b"ready\n"
        yield beside
        output, _ = await reader.communicate(b"")
    finally:
        if reader.returncode is None:
            reader.kill()
            await reader.wait()
    *reads, last = map(loads, output.splitlines())
    beside.reads = [Read(**read) for read in reads]
    beside.slowness = max(beside.slowness, last["slowness"], worst_slowness())


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

    @property
    def most_in_front(self) -> int:
        """How many of the burst were answered, at most, while one read waited."""
        return max(
            sum(read.began <= answer.ended <= read.ended for answer in self.answers) for read in self.beside.reads
        )


async def burst(client: Client, requests: Sequence[tuple[str, str, object]], *, read: str) -> Burst:
    """All `requests` (method, path, JSON body) at once, and a reader of `read` beside them."""
    async with reader_beside(client.url + read) as beside:
        answers = await asyncio.gather(*(client.ask(method, path, body) for method, path, body in requests))
    return Burst(answers, beside)
