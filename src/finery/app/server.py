"""The HTTP server: uvicorn with limits on connections and TLS handshakes, and a shutdown that ends event streams."""

import asyncio
import errno
import functools
import logging
import math
import resource
import socket
import ssl
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from finery.app.connections import MAX_REJECTED, Connection, ConnectionLimits
from finery.app.large_bodies import PIECE_BYTES
from finery.app.settings import Settings
from finery.app.tls import HANDSHAKE_SECONDS, Handshakes
from finery.http.streams import RunStreams
from finery.kit.log_throttle import LogThrottle

BACKLOG = 2048
SHUTDOWN_SECONDS = 5
"""How long requests that are being answered get at shutdown; event streams end at once."""
OTHER_FILES = 512
"""Databases, logs, uploads, engines' connections: what is open beside the clients' connections. Where fewer files are
allowed, four fifths of them: answering a request opens up to three more, and a server at rest has twenty."""
SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
SHORTAGE_SECONDS = 60.0

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    def __init__(self, app: ASGIApp, settings: Settings, tls: ssl.SSLContext | None, streams: RunStreams) -> None:
        config = uvicorn.Config(
            app,
            http=Connection,
            log_config=None,
            log_level=settings.log_level,
            access_log=False,
            # There are no WebSockets here, and requests for them are as any others.
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=math.ceil(settings.head_timeout_seconds),
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        super().__init__(config)
        self._tls = tls
        self._streams = streams
        connections, surplus = _allowed_connections(settings.max_connections)
        self.limits = ConnectionLimits(connections, settings.head_timeout_seconds, surplus)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Replaces uvicorn's own, which limits neither the time of a TLS handshake nor how many there are."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(uvicorn.config.STARTUP_FAILURE)
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(ShortageReports())
        protocol: Callable[[], asyncio.Protocol] = functools.partial(
            Connection,
            self.config,
            self.server_state,
            self.lifespan.state,
            self.limits,
            memoryview(bytearray(PIECE_BYTES)),
            self._loop,
        )
        if self._tls is not None:
            seconds = min(HANDSHAKE_SECONDS, self.limits.head_seconds)
            protocol = Handshakes(self._tls, protocol, seconds=seconds, room=self._handshakes_allowed).begin
        # asyncio accepts as many connections at once as its backlog says, before it reads from one: they must be few
        # enough that each can still be answered 503. The listener's own backlog is set anew afterwards.
        at_once = max(1, min(BACKLOG, self.limits.surplus // 2))
        self.servers = []
        for listener in sockets or []:
            self.servers.append(await self._loop.create_server(protocol, sock=listener, backlog=at_once))
            listener.listen(BACKLOG)
        self.started = True

    def _handshakes_allowed(self) -> int:
        return self.limits.connections + self.limits.surplus - len(self.server_state.connections)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Open event streams would hold the server for the whole time of grace.
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._streams.close)
        super().handle_exit(sig, frame)


class ShortageReports:
    """The event loop's exception handler: logs a line a minute for connections that cannot be accepted for want of
    descriptors, where asyncio logs a hundred thousand. asyncio tries again every second."""

    def __init__(self) -> None:
        self._throttle = LogThrottle(SHORTAGE_SECONDS)

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in SHORTAGES:
            loop.default_exception_handler(context)
        elif self._throttle.is_due():
            log.error("connections wait, the next lines about it are left out: %s", error.strerror)


def _allowed_connections(wanted: int) -> tuple[int, int]:
    """Returns how many connections there may be, and how many more get a 503.

    They are as many as wanted, or as the system's limit on open files leaves, which is raised as far as it may be.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + MAX_REJECTED + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    left = needed - min(OTHER_FILES, needed * 4 // 5)
    surplus = min(MAX_REJECTED, left // 2)
    allowed = max(left - surplus, 1)
    if allowed < wanted:
        print(
            f"finery server: {hard} open files are allowed, so it takes {allowed} connections at once in place of "
            f"FINERY_MAX_CONNECTIONS={wanted}: raise the limit (`ulimit -Hn`; LimitNOFILE of a unit)",
            file=sys.stderr,
        )
    return min(allowed, wanted), surplus
