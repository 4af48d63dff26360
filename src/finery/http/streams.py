"""Streams a run's events as server-sent events, in order, without a gap or a repeat.

All streams of a run share one feed, so that a change costs one query whatever their number. A stream keeps only the
sequence number that it has sent; it reads from the feed's window, or from the database.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass

import anyio
import msgspec
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from finery.contracts.events import Event, StatusEvent
from finery.contracts.run import Run
from finery.db import Database
from finery.db.topics import run_topic
from finery.domain import runs
from finery.domain.runs import Visibility
from finery.domain.runs.errors import RunNotFound
from finery.http.async_notifier import AsyncNotifier, wait_for_change
from finery.http.notice_feed import NoticeFeed

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
SEND_SECONDS = 30.0
LOOK_SECONDS = 5.0
"""How often a feed looks by itself, should a change come without a notification."""
RETRY_SECONDS = 1.0
"""The wait after the database could not be read."""
PAUSE_SECONDS = 0.03
"""Between two looks of a feed, so that a storm of changes does not become a storm of queries."""
WINDOW = 1000
PAGE = 500
PIECE_BYTES = 1 << 16
READERS = 4
HEARTBEAT = b": heartbeat\n\n"


@dataclass(frozen=True)
class Frame:
    sequence: int
    body: bytes
    """The lines that follow `id`, which each kind of stream writes in its own way."""
    is_last: bool

    @property
    def data(self) -> bytes:
        return b"id: %d\n%b" % (self.sequence, self.body)


class RunStreams:
    def __init__(self, database: Database, async_notifier: AsyncNotifier) -> None:
        self._database = database
        self._async_notifier = async_notifier
        self._feeds: dict[str, RunFeed] = {}
        self._readers: anyio.CapacityLimiter | None = None
        self.notices = NoticeFeed(database, async_notifier)
        self.is_closed = False

    def close(self) -> None:
        """End all streams, from the event loop; their clients come back with Last-Event-ID."""
        self.is_closed = True
        self.notices.close()
        for feed in self._feeds.values():
            feed.close()

    async def frames(self, run: Run, after: int) -> AsyncGenerator[bytes]:
        """Yields the events past `after` until the terminal one, as many at once as there are, up to PIECE_BYTES, and a
        heartbeat where there are none for a while."""
        if self.is_closed:
            return
        changed = asyncio.Event()
        feed = self.join(run, changed)
        try:
            while True:
                changed.clear()
                frames = await feed.read(after)
                for piece in _in_pieces(frames):
                    yield b"".join(frame.data for frame in piece)
                    after = piece[-1].sequence
                    if piece[-1].is_last:
                        return
                if feed.is_closed:
                    return
                if not frames and not await wait_for_change(changed, HEARTBEAT_SECONDS):
                    yield HEARTBEAT
        finally:
            self.leave(feed, changed)

    def join(self, run: Run, changed: asyncio.Event) -> "RunFeed":
        """Return the run's feed, which sets `changed` whenever it has more, until `leave`."""
        feed = self._feeds.get(run.uid)
        if feed is None or feed.is_closed:
            self._readers = self._readers or anyio.CapacityLimiter(READERS)
            feed = RunFeed(run, self._database, self._async_notifier, self._readers)
            self._feeds[run.uid] = feed
        feed.waiting.append(changed)
        return feed

    def leave(self, feed: "RunFeed", changed: asyncio.Event) -> None:
        feed.waiting.remove(changed)
        if not feed.waiting:
            feed.close()
            if self._feeds.get(feed.run_id) is feed:
                del self._feeds[feed.run_id]


class RunFeed:
    """Watches one run while a stream reads from it."""

    def __init__(
        self, run: Run, database: Database, async_notifier: AsyncNotifier, readers: anyio.CapacityLimiter
    ) -> None:
        self.run_id = run.uid
        self.visibility = Visibility(run.owner_id, run.shared)
        """Who may see what was read last."""
        self.waiting: list[asyncio.Event] = []
        """Those of the streams that read from it."""
        self.is_closed = False
        self._topic = run_topic(run.number)
        self._head = run.last_sequence
        self._window: deque[Frame] = deque(maxlen=WINDOW)
        self._database = database
        self._async_notifier = async_notifier
        self._readers = readers
        self._task = asyncio.create_task(self._watch())

    async def read(self, after: int) -> list[Frame]:
        """Returns some frames past `after`; none when there are no more yet."""
        if after >= self._head:
            return []
        if self._window and self._window[0].sequence <= after + 1:
            return [frame for frame in self._window if frame.sequence > after]
        try:
            return await self._load(after)
        except RunNotFound:
            self.close()
            return []

    def close(self) -> None:
        self.is_closed = True
        self._async_notifier.forget(self._topic)
        self._task.cancel()
        self._signal_change()

    async def _watch(self) -> None:
        try:
            while True:
                changed = self._async_notifier.changed_in(self._topic)
                visibility = self.visibility
                try:
                    frames = await self._load(self._head)
                except SQLAlchemyError as error:
                    log.warning("the events of run %s cannot be read for now: %s", self.run_id, error)
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                if frames:
                    self._window.extend(frames)
                    self._head = frames[-1].sequence
                if frames or self.visibility != visibility:
                    self._signal_change()
                if len(frames) < PAGE:
                    await asyncio.sleep(PAUSE_SECONDS)
                    await wait_for_change(changed, LOOK_SECONDS)
        except RunNotFound:
            self.close()

    def _signal_change(self) -> None:
        for changed in self.waiting:
            changed.set()

    async def _load(self, after: int) -> list[Frame]:
        frames, self.visibility = await anyio.to_thread.run_sync(self._query, after, limiter=self._readers)
        return frames

    def _query(self, after: int) -> tuple[list[Frame], Visibility]:
        with self._database.read() as session:
            part = runs.read_feed(session, self.run_id, after=after, limit=PAGE)
        return [to_frame(event) for event in part.events], part.visibility


def _in_pieces(frames: list[Frame]) -> Iterator[list[Frame]]:
    """Yields the frames in pieces of about PIECE_BYTES.

    Each piece passes through all layers, also to a client that has gone until that is noticed, and holds up the event
    loop meanwhile: a stream that begins with hundreds of events must not send each by itself.
    """
    piece: list[Frame] = []
    size = 0
    for frame in frames:
        piece.append(frame)
        size += len(frame.data)
        if frame.is_last or size >= PIECE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def to_frame(event: Event) -> Frame:
    body = msgspec.json.encode(event.model_dump(mode="json"))
    lines = b"event: %b\ndata: %b\n\n" % (event.type.encode(), body)
    return Frame(event.sequence, lines, is_last=isinstance(event, StatusEvent) and event.data.to.is_finished)


def event_stream(streams: RunStreams, run: Run, *, after: int, last_event_id: str | None) -> Response:
    """Returns the stream of a run's events past `after`, or past Last-Event-ID, which a browser sends when it
    reconnects to the URL of its first request. 204 tells a browser that has all events of a finished run not to
    reconnect.

    A sequence number that is still to come is taken for the last one there is.
    """
    seen = after if last_event_id is None else int(last_event_id)
    if run.status.is_finished and seen >= run.last_sequence:
        return Response(status_code=204)
    return EventStreamResponse(streams.frames(run, min(seen, run.last_sequence)))


class EventStreamResponse(Response):
    """Ends when its client disconnects, or does not read for SEND_SECONDS."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes]) -> None:
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send_all(send))
        disconnect = asyncio.create_task(_wait_for_disconnect(receive))
        try:
            await asyncio.wait({sending, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            disconnect.cancel()
            outcome, _ = await asyncio.gather(sending, disconnect, return_exceptions=True)
        # A client that went, or that does not read, is not the server's failure.
        if isinstance(outcome, Exception) and not isinstance(outcome, OSError):
            raise outcome

    async def _send_all(self, send: Send) -> None:
        try:
            async for frame in self._frames:
                async with asyncio.timeout(SEND_SECONDS):
                    await send({"type": "http.response.body", "body": frame, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            # A generator that is left early has to end now: its feed may have no other stream.
            await self._frames.aclose()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
