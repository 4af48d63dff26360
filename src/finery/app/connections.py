"""The HTTP/1.1 connection, with limits on headers, on slow clients, on unread answers and on how many there are.

uvicorn limits only how long a connection may rest between two requests: it would keep for ever one that sends no
request, sends its headers byte by byte, or never reads. Its `limit_concurrency` answers 503 to requests, on connections
that it has already accepted, and closes none that sends none. nginx has all these limits; a server without it, as
after an installation, needs them here (tests/load, test_half_open, test_slow_readers, test_few_descriptors).
"""

import asyncio
import json
import socket
import struct
import sys
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from finery.api.native.dialect import to_error
from finery.app.large_bodies import ANSWERING, BodyBuffer, skip_middle
from finery.http.problems import Problem, unavailable
from finery.http.request_ids import HEADER, new_request_id

MAX_HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100
MAX_REJECTED = 256
"""So many beyond the limit get an answer to their request before they are closed; the next do not."""
SURPLUS_SECONDS = 2.0
LEAST_READ = 16 * 1024
"""Bytes, in the time that an answer may lie unread."""
ACKNOWLEDGED = 120
"""Where tcpi_bytes_acked lies in Linux's struct tcp_info."""
LENGTHS = {b"content-length", b"transfer-encoding"}
_FULL = unavailable("the server has as many connections as it may have; try again in a moment")
_MALFORMED = Problem(400, "malformed_request", "this is no HTTP request that can be understood")
_TWO_LENGTHS = Problem(
    400,
    "malformed_request",
    # A proxy may go by the other one, and take for a second request what we take for a body.
    "a body has Content-Length or Transfer-Encoding, not both",
)
_LARGE_HEAD = Problem(
    431,
    "headers_too_large",
    f"address and headers take more than {MAX_HEAD_BYTES} bytes, or are more than {MAX_HEADERS} lines",
)


@dataclass(frozen=True)
class ConnectionLimits:
    connections: int
    head_seconds: float
    surplus: int = MAX_REJECTED
    unread_seconds: float = 60.0
    """How long a client may read next to nothing of what waits for it."""


class TwoLengths(h11.RemoteProtocolError):
    pass


class Parser(h11.Connection):
    """Refuses what h11 lets pass, before any middleware could answer it as a request like others."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        before = self._unread() if self.their_state is h11.IDLE else 0
        event = super().next_event()
        if isinstance(event, h11.Request):
            # h11 bounds a head only while it waits for the rest of it.
            self._refuse_large(event, before - self._unread())
            if {name for name, _ in event.headers} >= LENGTHS:
                raise TwoLengths(_TWO_LENGTHS.message)
        elif isinstance(event, h11.EndOfMessage):
            self._refuse_large(event, sum(len(name) + len(value) for name, value in event.headers))
        return event

    def _unread(self) -> int:
        return len(self.trailing_data[0])

    def _refuse_large(self, event: h11.Request | h11.EndOfMessage, size: int) -> None:
        if size > MAX_HEAD_BYTES or len(event.headers) > MAX_HEADERS:
            raise h11.RemoteProtocolError(_LARGE_HEAD.message, error_status_hint=_LARGE_HEAD.status)


class Connection(H11Protocol, asyncio.BufferedProtocol):
    """Always h11, also where a faster parser is installed: that one sets no bound to headers and trailers. What h11 is
    slow at, a large body, goes past it."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        limits: ConnectionLimits,
        buffer: memoryview,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`buffer` may be the same for all connections of a loop, as what was read is copied out at once. It is a view:
        asyncio's TLS reads into slices of it, and a slice of a bytearray is a copy."""
        super().__init__(config, server_state, app_state, loop)
        self.conn = Parser(h11.SERVER, MAX_HEAD_BYTES)
        self._limits = limits
        self._buffer = buffer
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._is_surplus = False
        self._body_buffer = BodyBuffer(self.loop)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        surplus = len(self.connections) - self._limits.connections
        self._is_surplus = surplus > 0
        if surplus > self._limits.surplus:
            # A client that has not sent its request yet may see a reset instead.
            transport.write(_response(_FULL))
            transport.close()
            return
        self._set_deadline(SURPLUS_SECONDS if self._is_surplus else self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_deadline()
        self._stop_watching_reader()
        self._body_buffer.cancel_timer()
        super().connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        if self._is_surplus:
            # Only now: if the connection were closed with bytes unread, the client would see a reset, not the answer.
            self._answer(_FULL)
            return
        if skip_middle(self.conn, len(data)):
            self._take_body(data)
        else:
            self._body_buffer.cancel_timer()
            super().data_received(data)
        if self.conn.our_state in ANSWERING:
            self._clear_deadline()
        elif self._deadline is None:
            self._set_deadline(self._limits.head_seconds)

    def _take_body(self, piece: bytes) -> None:
        self._unset_keepalive_if_required()
        # Of a body that was answered before its end, the rest is read and dropped to get to the next request.
        if self.conn.our_state in ANSWERING:
            self._body_buffer.add(piece, self.cycle, self.flow)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._watch_reader()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_reader()

    def shutdown(self) -> None:
        # Where we refused what h11 had accepted, h11's state does not allow an end any more.
        if not self.transport.is_closing():
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        match sys.exception():
            case TwoLengths():
                self._answer(_TWO_LENGTHS)
            case h11.RemoteProtocolError(error_status_hint=_LARGE_HEAD.status):
                self._answer(_LARGE_HEAD)
            case _:
                self._answer(_MALFORMED)

    def _answer(self, problem: Problem) -> None:
        # In the native API's shape, since not even the request's path is known.
        if self.transport.is_closing():
            return
        if self.conn.our_state is not h11.SEND_BODY:
            self.transport.write(_response(problem))
        self.transport.close()
        self._watch_reader()

    def _set_deadline(self, seconds: float) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _watch_reader(self) -> None:
        """Start to watch that the client reads, while there is something that the system does not take from us: also on
        a connection that is being closed, which would wait for its reader."""
        self._stop_watching_reader()
        if self.transport.get_write_buffer_size():
            seconds = self._limits.unread_seconds
            self._unread = self.loop.call_later(seconds, self._check_reader, self._acknowledged())

    def _check_reader(self, before: int) -> None:
        if self.transport.get_write_buffer_size() and self._acknowledged() - before < LEAST_READ:
            self.transport.abort()
        else:
            self._watch_reader()

    def _stop_watching_reader(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _acknowledged(self) -> int:
        """Returns how many bytes have reached the client."""
        # The size of our own buffer would not show how slowly a client reads: the system takes from it by the megabyte.
        connection: socket.socket = self.transport.get_extra_info("socket")
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACKNOWLEDGED + 8)
        acknowledged: int = struct.unpack_from("Q", info, ACKNOWLEDGED)[0]
        return acknowledged


def _response(problem: Problem) -> bytes:
    body = json.dumps(to_error(problem)).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "X-Content-Type-Options": "nosniff",
        "Connection": "close",
        HEADER: new_request_id(),
        **problem.headers,
    }
    lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}", *map(": ".join, headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
