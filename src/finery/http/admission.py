"""Limits how many requests of a kind are worked on at once; others wait, and beyond a number get a 503.

A burst of requests must take neither all threads, nor the processor from requests that only read.
"""

import asyncio
import functools
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
from anyio import CapacityLimiter
from anyio.lowlevel import RunVar

from finery.http.problems import RETRY_SECONDS, Problem, RequestRefused, unavailable
from finery.kit.translatable import Translatable

Result = TypeVar("Result")

_limiters: RunVar[dict[tuple["Lane", str | None], CapacityLimiter]] = RunVar("finery_lanes")
"""The limiters of one event loop, by lane and user. A limiter belongs to the loop that it was made in."""


@dataclass(frozen=True, eq=False)
class Lane:
    """Requests of one kind: `at_once` of them are worked on, each in a thread, in the order in which they come."""

    name: str
    at_once: int
    most_waiting: int = field(default=2000, kw_only=True)
    """Beyond so many, a request is refused at once."""
    patience_seconds: float = field(default=60.0, kw_only=True)
    """How long a request waits before it is refused."""
    of_one_user: int | None = field(default=None, kw_only=True)
    """How many of the places one user's requests may hold. The rest of them wait apart, and others pass."""

    @asynccontextmanager
    async def entered(self, user_id: str | None = None) -> AsyncIterator[None]:
        """Hold one of the lane's places. Raises RequestRefused (503 with Retry-After)."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self.patience_seconds):
                    if user_id is not None and self.of_one_user is not None:
                        await self._take(stack, user_id, self.of_one_user)
                    await self._take(stack, None, self.at_once)
            except TimeoutError as error:
                raise self._refusal() from error
            yield

    async def _take(self, stack: AsyncExitStack, user_id: str | None, places: int) -> None:
        """Take one of the lane's places, or of a user's; it is given back when `stack` ends."""
        limiters = self._limiters_of_loop()
        limiter = limiters.setdefault((self, user_id), CapacityLimiter(places))
        if limiter.statistics().tasks_waiting >= self.most_waiting:
            raise self._refusal()
        place = object()
        await limiter.acquire_on_behalf_of(place)

        def give_back() -> None:
            limiter.release_on_behalf_of(place)
            if user_id is not None and not limiter.statistics().borrowed_tokens:
                limiters.pop((self, user_id), None)

        stack.callback(give_back)

    async def run(self, work: Callable[[], Result], user_id: str | None = None) -> Result:
        """Call `work` in a thread once there is a place, and return its result. Raises RequestRefused."""
        async with self.entered(user_id):
            return await in_thread(work)

    @staticmethod
    def _limiters_of_loop() -> "dict[tuple[Lane, str | None], CapacityLimiter]":
        try:
            return _limiters.get()
        except LookupError:
            known: dict[tuple[Lane, str | None], CapacityLimiter] = {}
            _limiters.set(known)
            return known

    def _refusal(self) -> RequestRefused:
        return RequestRefused(
            unavailable(
                Translatable("the server has too many {name} to work on; try again in a moment", name=self.name)
            )
        )


READS = Lane("requests that read", 16)
WRITES = Lane("requests that change something", 8)
SUBMISSIONS = Lane("submissions", 8, of_one_user=6)
"""Data and models are read before anything is written, which may take a while; a cancel must not wait for that."""
LOOK_UPS = Lane("look-ups of who asks", 8)
"""They have a lane of their own, so that slow requests keep nobody from being recognised."""
STREAM_OPENINGS = Lane("event streams and logs to open", 4)
"""Their clients all reconnect at once when a server starts again; requests for lists must not wait for that."""
CURVES = Lane("curves to draw", 4)
"""They read all metrics of a run, for which a long one's take a processor for a second."""
PREVIEWS = Lane("looks into data", 4)
"""They read some rows of a file."""
SCANS = Lane("studies of data", 3, most_waiting=100, of_one_user=2)
"""Each reads a whole file, which takes a processor for seconds."""
SCANS_PER_USER = 10
"""How many one user may have under way or waiting, so that nobody fills the lane for the others."""

_threads: RunVar[CapacityLimiter] = RunVar("finery_threads")


def in_lane(lane: Lane) -> Callable[[Callable[..., Result]], Callable[..., Any]]:
    """Decorates a synchronous function of a route or dependency without a session: it is called in a thread of `lane`.

    Undecorated, it would be called in one of the framework's threads, for which requests wait without a limit.
    """

    def wrap(endpoint: Callable[..., Result]) -> Callable[..., Any]:
        @functools.wraps(endpoint)
        async def run(**arguments: Any) -> Result:
            return await lane.run(lambda: endpoint(**arguments))

        return run

    return wrap


def scans_files(endpoint: Callable[..., Result]) -> Callable[..., Any]:
    """Decorates a route's function that reads whole files: it is called in SCANS, within its `user`'s share."""
    under_way = Counter[str | None]()

    @functools.wraps(endpoint)
    async def run(**arguments: Any) -> Any:
        actor: str | None = arguments["user"].user_id
        if under_way[actor] >= SCANS_PER_USER:
            message = Translatable(
                "{scans_per_user} looks at whole files are under way for you; wait until one has ended",
                scans_per_user=SCANS_PER_USER,
            )
            headers = {"Retry-After": RETRY_SECONDS}
            raise RequestRefused(Problem(429, "too_many_requests", message, headers=headers))
        under_way[actor] += 1
        try:
            return await SCANS.run(lambda: endpoint(**arguments), actor)
        finally:
            under_way[actor] -= 1
            if not under_way[actor]:
                del under_way[actor]

    return run


async def in_thread(work: Callable[[], Result]) -> Result:
    """Call `work` in a thread and return its result. For requests that hold a place in a lane, which limits them."""
    try:
        limiter = _threads.get()
    except LookupError:
        limiter = CapacityLimiter(math.inf)
        _threads.set(limiter)
    return await anyio.to_thread.run_sync(work, limiter=limiter)
