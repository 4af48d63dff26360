"""Tells all streams of many runs what changes: one query for a change, whatever their number."""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import msgspec
from sqlalchemy.exc import SQLAlchemyError

from finery.contracts.permissions import Principal
from finery.contracts.run import RunNotice
from finery.db import Database
from finery.db.topics import run_of_topic
from finery.domain import runs
from finery.domain.runs import Removal
from finery.http.async_notifier import AsyncNotifier
from finery.kit.notifier import Topics

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.2
"""Between two queries: of a run that tells its progress faster, the last state of that time is told."""
RETRY_SECONDS = 1.0
"""The wait after the database could not be read."""
LINGER_SECONDS = 60.0
"""How long it goes on without a stream, so that a browser that comes back finds what it missed."""
WINDOW = 2000
MOST_AT_ONCE = 500
"""Beyond so many changed runs, streams are told that something changed, and not what."""


@dataclass(frozen=True)
class Told:
    number: int
    """Counts 1, 2, 3 … within an epoch of the feed."""
    body: bytes
    """The frame's lines without its id."""
    concerns: Callable[[Principal], bool]


@dataclass
class _Due:
    """What has changed since the last query."""

    numbers: set[int] = field(default_factory=set)
    removals: list[Removal] = field(default_factory=list)
    is_unknown: bool = False

    def take(self, topics: Topics | None) -> None:
        if topics is None:
            self.is_unknown = True
            return
        for topic in topics:
            if (number := run_of_topic(topic)) is not None:
                self.numbers.add(number)
            elif (removal := runs.removal_of(topic)) is not None:
                self.removals.append(removal)
        if len(self.numbers) + len(self.removals) > MOST_AT_ONCE:
            self.numbers, self.removals, self.is_unknown = set(), [], True

    def __bool__(self) -> bool:
        return bool(self.numbers or self.removals or self.is_unknown)


class NoticeFeed:
    """Watches the runs of everybody while a stream reads from it, and some time longer."""

    def __init__(self, database: Database, async_notifier: AsyncNotifier) -> None:
        self.epoch = ""
        """Another one means that numbers from before say nothing any more."""
        self.head = 0
        self._window: deque[Told] = deque(maxlen=WINDOW)
        self._waiting: list[asyncio.Event] = []
        self._due = _Due()
        self._is_due = asyncio.Event()
        self._database = database
        self._async_notifier = async_notifier
        self._task: asyncio.Task[None] | None = None
        self._stop_listening: Callable[[], None] | None = None
        self._end: asyncio.TimerHandle | None = None

    def join(self, changed: asyncio.Event) -> None:
        """Set `changed` whenever there is more, until `leave`."""
        if self._end is not None:
            self._end.cancel()
            self._end = None
        if self._task is None:
            self._begin()
        self._waiting.append(changed)

    def leave(self, changed: asyncio.Event) -> None:
        self._waiting.remove(changed)
        if not self._waiting and self._task is not None:
            self._end = asyncio.get_running_loop().call_later(LINGER_SECONDS, self.close)

    def since(self, epoch: str, number: int) -> list[Told] | None:
        """Return what was told after `number`; None when that is not known any more."""
        if epoch != self.epoch or number > self.head or self.head - number > len(self._window):
            return None
        return [told for told in self._window if told.number > number] if number < self.head else []

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._stop_listening is not None:
            self._stop_listening()
        for changed in self._waiting:
            changed.set()

    def _begin(self) -> None:
        self.epoch, self.head, self._due = secrets.token_hex(4), 0, _Due()
        self._window.clear()
        self._is_due = asyncio.Event()
        self._stop_listening = self._async_notifier.listen(self._take)
        self._task = asyncio.create_task(self._watch())

    def _take(self, topics: Topics | None) -> None:
        self._due.take(topics)
        if self._due:
            self._is_due.set()

    async def _watch(self) -> None:
        limiter = anyio.CapacityLimiter(1)
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            due, self._due = self._due, _Due()
            try:
                self._tell(due, await anyio.to_thread.run_sync(self._query, due.numbers, limiter=limiter))
            except SQLAlchemyError as error:
                log.warning("changes of runs cannot be read for now: %s", error)
                await self._tell_unknown_later()
            except Exception:
                # The loop's edge: without it, the streams of everybody would hear nothing until the next start.
                log.exception("changes of runs cannot be told")
                await self._tell_unknown_later()
            else:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _tell_unknown_later(self) -> None:
        self._due.is_unknown = True
        self._is_due.set()
        await asyncio.sleep(RETRY_SECONDS)

    def _query(self, numbers: set[int]) -> list[tuple[RunNotice, runs.Visibility]]:
        with self._database.read() as session:
            return runs.list_notices(session, numbers)

    def _tell(self, due: _Due, notices: list[tuple[RunNotice, runs.Visibility]]) -> None:
        for notice, visibility in notices:
            self._add(lines("run", notice.model_dump_json().encode()), visibility.includes)
        for removal in due.removals:
            self._add(gone(removal.id, removal.uid), removal.concerns)
        if due.is_unknown:
            self._add(STALE, lambda _: True)
        for changed in self._waiting:
            changed.set()

    def _add(self, body: bytes, concerns: Callable[[Principal], bool]) -> None:
        self.head += 1
        self._window.append(Told(self.head, body, concerns))


def lines(event: str, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event.encode(), data)


def gone(run_id: str, uid: str | None) -> bytes:
    """Return the frame about a run that can be seen no more. Its reader may have another run of the same id.

    `uid` is None where there never was one.
    """
    return lines("gone", msgspec.json.encode({"id": run_id, "uid": uid}))


STALE = lines("stale", b"{}")
"""Something changed, and it is not known what: lists are to be read again."""
