"""One stream of server-sent events for all that a browser shows: what changes of the runs that its user may see, and
the events of those that it follows, in order, without a gap or a repeat.

Each frame has an id of all that was sent so far, from which the stream goes on elsewhere or later: `EPOCH.NUMBER` of
the notices, and the sequence number of each run that is followed, in their order in the address.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from finery.contracts.permissions import Permission, Principal
from finery.contracts.run import Run
from finery.domain.errors import DomainError, Issue
from finery.http.async_notifier import wait_for_change
from finery.http.notice_feed import STALE, gone, lines
from finery.http.problems import RequestRefused, invalid_request
from finery.http.streams import HEARTBEAT, HEARTBEAT_SECONDS, PIECE_BYTES, EventStreamResponse, RunFeed, RunStreams

MOST_FOLLOWED = 50
LOOK_UP_SECONDS = 5.0
"""How long a stream goes on for a user who has logged out, or may do less."""


@dataclass(frozen=True)
class Followed:
    """A run that a client names, with the sequence number of the last event that it has."""

    id: str
    run: Run | None
    """None: there is none of this id that the user may see."""
    after: int


@dataclass(frozen=True)
class Cursor:
    """The place in the notices from which a client goes on."""

    epoch: str
    number: int

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        epoch, _, number = text.partition(".")
        return cls(epoch, int(number))


class Viewer:
    """The user of a stream, who is looked up again while it lasts."""

    def __init__(self, principal: Principal, look_up: Callable[[], Awaitable[Principal]]) -> None:
        self.principal = principal
        self._look_up = look_up
        self._looked_up_at = time.monotonic()

    async def is_welcome(self) -> bool:
        """Return whether the user's session or key still holds, and lets them read runs."""
        if time.monotonic() - self._looked_up_at < LOOK_UP_SECONDS:
            return True
        self._looked_up_at = time.monotonic()
        try:
            self.principal = await self._look_up()
        except DomainError:
            return False
        except (SQLAlchemyError, RequestRefused):
            # Without the database there is nothing to tell either.
            return True
        return self.principal.may(Permission.RUNS_READ)


class _Following:
    """One followed run of one stream; its feed is left as soon as there is nothing more to come."""

    def __init__(self, followed: Followed, streams: RunStreams, changed: asyncio.Event) -> None:
        self.id = followed.id
        self.sequence = followed.after
        self.is_gone = followed.run is None
        self._uid = None if followed.run is None else followed.run.uid
        self._streams = streams
        self._changed = changed
        self.feed: RunFeed | None = None
        if followed.run is not None:
            self.sequence = min(followed.after, followed.run.last_sequence)
            is_over = followed.run.status.is_finished and self.sequence >= followed.run.last_sequence
            self.feed = None if is_over else streams.join(followed.run, changed)

    async def bodies(self, viewer: Viewer) -> AsyncIterator[bytes]:
        """Yield what is there; `sequence` counts along."""
        if self.is_gone:
            self.is_gone = False
            yield gone(self.id, self._uid)
        if self.feed is None:
            return
        frames = await self.feed.read(self.sequence)
        if self._streams.is_closed:
            return
        if self.feed.is_closed or not self.feed.visibility.includes(viewer.principal):
            self.leave()
            yield gone(self.id, self._uid)
            return
        # More may be there than was read at once.
        if frames:
            self._changed.set()
        for frame in frames:
            self.sequence = frame.sequence
            if frame.is_last:
                self.leave()
            yield frame.body

    def leave(self) -> None:
        if self.feed is not None:
            self._streams.leave(self.feed, self._changed)
            self.feed = None


class CombinedStream:
    def __init__(
        self, streams: RunStreams, viewer: Viewer, followed: Sequence[Followed], cursor: Cursor | None
    ) -> None:
        self._streams = streams
        self._notices = streams.notices
        self._viewer = viewer
        self._followed = followed
        self._cursor = cursor
        self._epoch = ""
        self._number = 0
        self._following: list[_Following] = []

    async def frames(self) -> AsyncGenerator[bytes]:
        """Yields frames, as many at once as there are, up to PIECE_BYTES, and a heartbeat where there are none for a
        while. It ends with the server, and with the user's session or key."""
        changed = asyncio.Event()
        if self._streams.is_closed:
            return
        self._notices.join(changed)
        try:
            self._following = [_Following(followed, self._streams, changed) for followed in self._followed]
            yield b"".join(self._beginning())
            sent_at = time.monotonic()
            while await self._viewer.is_welcome() and not self._streams.is_closed:
                changed.clear()
                async for piece in _in_pieces(self._due()):
                    yield piece
                    sent_at = time.monotonic()
                if not await wait_for_change(changed, LOOK_UP_SECONDS) and _is_silent(sent_at):
                    yield HEARTBEAT
                    sent_at = time.monotonic()
        finally:
            self._notices.leave(changed)
            for following in self._following:
                following.leave()

    def _beginning(self) -> list[bytes]:
        cursor, notices = self._cursor, self._notices
        is_known = cursor is not None and notices.since(cursor.epoch, cursor.number) is not None
        self._epoch = notices.epoch
        self._number = cursor.number if cursor is not None and is_known else notices.head
        frames = [self._frame(lines("ready", b"{}"))]
        if cursor is not None and not is_known:
            frames.append(self._frame(STALE))
        return frames

    async def _due(self) -> AsyncIterator[bytes]:
        told = self._notices.since(self._epoch, self._number)
        if told is None:
            # This client reads more slowly than things change.
            self._epoch, self._number = self._notices.epoch, self._notices.head
            yield self._frame(STALE)
        for each in told or ():
            self._number = each.number
            if each.concerns(self._viewer.principal):
                yield self._frame(each.body)
        for following in self._following:
            async for body in following.bodies(self._viewer):
                yield self._frame(body)

    def _frame(self, body: bytes) -> bytes:
        sequences = "".join(f".{following.sequence}" for following in self._following)
        return f"id: {self._epoch}.{self._number}{sequences}\n".encode() + body


def _is_silent(sent_at: float) -> bool:
    return time.monotonic() - sent_at >= HEARTBEAT_SECONDS - LOOK_UP_SECONDS


async def _in_pieces(frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    piece = bytearray()
    async for frame in frames:
        piece += frame
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


def combined_stream(
    streams: RunStreams,
    viewer: Viewer,
    followed: Sequence[Followed],
    *,
    since: str | None,
    last_event_id: str | None,
) -> EventStreamResponse:
    """Return the stream of what changes after `since`, or after Last-Event-ID, which a browser sends when it reconnects
    to the URL of its first request. Raises RequestRefused where that is from another URL."""
    if last_event_id is not None:
        epoch, number, *sequences = last_event_id.split(".")
        if len(sequences) != len(followed):
            raise RequestRefused(invalid_request([Issue("Last-Event-ID", _OTHER_RUNS)]))
        since = f"{epoch}.{number}"
        followed = [
            Followed(each.id, each.run, int(sequence)) for each, sequence in zip(followed, sequences, strict=True)
        ]
    cursor = None if since is None else Cursor.parse(since)
    return EventStreamResponse(CombinedStream(streams, viewer, followed, cursor).frames())


_OTHER_RUNS = (
    "it is from a stream that followed another number of runs; name each run with the number of its last event, and "
    "the first two parts of the id as `since`"
)
