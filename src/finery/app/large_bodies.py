"""Passes large request bodies by h11, which would copy each byte four times and hand them on in small pieces.

It uses private parts of two libraries. Without them an upload costs 1.4 times the processor time, and is hardly
faster than Starlette's, copied and hashed (docs/benchmarks.md, "Uploads").

Only h11 decides what a request is: it reads the head, what comes with it, the body's last piece, every chunked body and
whatever follows. What lies in the middle of a body of declared length it need not see.
"""

import asyncio

import h11
from h11._readers import ContentLengthReader
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import RequestResponseCycle

PIECE_BYTES = 1 << 20
"""How much is read, and handed to the application, at once: each message passes through all layers."""
AHEAD_BYTES = PIECE_BYTES + (1 << 19)
"""So much is read while the application is busy."""
HELD_SECONDS = 0.005
"""So long a smaller piece waits for more."""
SMALL_BYTES = 4096
ANSWERING = (h11.SEND_RESPONSE, h11.SEND_BODY)


def skip_middle(connection: h11.Connection, length: int) -> bool:
    """Returns whether the next `length` bytes lie before the end of a body of declared length, and then has h11 count
    them as read."""
    # h11 has no public way for that. Its version is pinned, and tests/app/test_large_bodies.py fails without effect.
    reader = connection._reader
    if connection.their_state is not h11.SEND_BODY or not isinstance(reader, ContentLengthReader):
        return False
    if length >= reader._remaining or connection.trailing_data[0]:
        return False
    reader._remaining -= length
    return True


class Pieces:
    """Replaces the bytearray in which uvicorn gathers what the application has not taken yet."""

    def __init__(self, first: bytes) -> None:
        self._pieces: list[bytes | bytearray] = []
        self._length = 0
        self += first

    def __iadd__(self, piece: bytes) -> "Pieces":
        self._length += len(piece)
        if len(piece) >= SMALL_BYTES:
            self._pieces.append(piece)
        elif self._pieces and isinstance(self._pieces[-1], bytearray):
            # An object for each byte of a client that sends byte by byte would take many times the memory.
            self._pieces[-1] += piece
        elif piece:
            self._pieces.append(bytearray(piece))
        return self

    def __len__(self) -> int:
        return self._length

    def __bytes__(self) -> bytes:
        # One piece is not copied.
        return bytes(self._pieces[0]) if len(self._pieces) == 1 else b"".join(self._pieces)


class BodyBuffer:
    """Gathers the pieces of a connection's body until they are worth a message to the application."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def add(self, piece: bytes, cycle: RequestResponseCycle, flow: FlowControl) -> None:
        if not isinstance(cycle.body, Pieces):
            cycle.body = Pieces(bytes(cycle.body))  # type: ignore[assignment]
        cycle.body += piece
        if len(cycle.body) >= AHEAD_BYTES:
            flow.pause_reading()
        if len(cycle.body) >= PIECE_BYTES:
            self.cancel_timer()
            cycle.message_event.set()
        elif self._timer is None:
            self._timer = self._loop.call_later(HELD_SECONDS, self._hand_on, cycle)

    def cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hand_on(self, cycle: RequestResponseCycle) -> None:
        self._timer = None
        cycle.message_event.set()
