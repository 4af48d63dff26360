"""Running the app until it is told to stop."""

import asyncio
import gc
import logging
import signal
import socket
import sys
from types import FrameType

import uvicorn

from finery.app.asgi import build_app
from finery.app.composition import Composition, StartRefused
from finery.app.settings import Settings
from finery.http.permission import is_loopback
from finery.http.streams import RunStreams

EXIT_USAGE = 2
EXIT_PORT_TAKEN = 3
EXIT_NOT_STARTED = 4
BACKLOG = 2048
SHUTDOWN_SECONDS = 5
"""For requests that are being answered; streams end at once."""


def serve(settings: Settings) -> int:
    """The exit code: 0 after SIGTERM or Ctrl-C, else one of the above, with one line that says why."""
    if not is_loopback(settings.host):
        return _refuse(EXIT_USAGE, f"{settings.host} is not this machine alone: without accounts, use 127.0.0.1")
    try:
        listener = _listen(settings.host, settings.port)
    except OSError as error:
        return _refuse(EXIT_PORT_TAKEN, f"cannot listen on {settings.host}, port {settings.port}: {error.strerror}")
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    composition = Composition(settings)
    try:
        composition.start()
    except StartRefused as error:
        return _refuse(EXIT_NOT_STARTED, str(error))
    _run(composition, listener)
    return 0


def _run(composition: Composition, listener: socket.socket) -> None:
    config = uvicorn.Config(
        build_app(composition),
        log_config=None,
        log_level=composition.settings.log_level,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    # What was loaded stays: looking through it again and again would hold requests up for a tenth of a second.
    gc.freeze()
    # uvicorn raises the signal that ended it once more when all is closed; by then it has been obeyed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    host, port, *_ = listener.getsockname()
    shown = f"[{host}]" if ":" in host else host
    print(f"Finery is at http://{shown}:{port} (API: http://{shown}:{port}/docs)", file=sys.stderr, flush=True)
    _Server(config, composition.services.streams).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends open event streams when it is told to stop: they would hold it for the whole grace."""

    def __init__(self, config: uvicorn.Config, streams: RunStreams) -> None:
        super().__init__(config)
        self._streams = streams
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets=sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._streams.close)
        super().handle_exit(sig, frame)


def _listen(host: str, port: int) -> socket.socket:
    """Bound before anything else is done, so that a second server ends at once. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _refuse(code: int, reason: str) -> int:
    print(f"finery server: {reason}", file=sys.stderr)
    return code
