"""Running the app until it is told to stop."""

import gc
import json
import os
import signal
import socket
import ssl
import stat
import sys
import threading
from contextlib import suppress
from pathlib import Path

from finery.app.asgi import build_app
from finery.app.bind import BindRefused, address_of, announce, check_bind, listen
from finery.app.composition import Composition
from finery.app.errors import StartRefused
from finery.app.logs import configure_log
from finery.app.server import Server
from finery.app.settings import Settings
from finery.app.tls import TlsRefused, tls_context

EXIT_USAGE = 2
EXIT_PORT_TAKEN = 3
EXIT_NOT_STARTED = 4
"""Also of one that another server has replaced at its database."""


def serve(settings: Settings, *, as_json: bool = False) -> int:
    """The exit code: 0 after SIGTERM or Ctrl-C, else one of the above, with one line that says why."""
    try:
        tls = _tls(settings)
        listener = listen(settings.host, settings.port)
    except TlsRefused as error:
        return _refuse(EXIT_USAGE, str(error))
    except OSError as error:
        return _refuse(EXIT_PORT_TAKEN, f"cannot listen on {settings.host}, port {settings.port}: {error.strerror}")
    with listener:
        if as_json:
            _tell(settings, listener)
        configure_log(settings.log_level)
        return _serve_on(listener, settings, tls)


def _serve_on(listener: socket.socket, settings: Settings, tls: ssl.SSLContext | None) -> int:
    try:
        composition = Composition(settings)
    except StartRefused as error:
        return _refuse(EXIT_NOT_STARTED, str(error))
    try:
        _make_home(settings.home)
        composition.open()
        check_bind(composition, listener)
        composition.start()
    except StartRefused as error:
        composition.stop()
        return _refuse(EXIT_NOT_STARTED, str(error))
    except BindRefused as error:
        composition.stop()
        return _refuse(EXIT_USAGE, str(error))
    return _run(composition, listener, tls)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return tls_context(settings.tls_certificate, settings.tls_key)


def _make_home(home: Path) -> None:
    """Its owner's alone. The mode of one that is there is left alone: a team may share it."""
    # Whatever is wrong with it, taking it says.
    with suppress(OSError):
        home.mkdir(mode=0o700, parents=True)


def warn_of_readers(home: Path) -> None:
    """On stderr, when users of other groups are let in: here, and in every directory on the way."""
    path = home.resolve()
    if all(each.stat().st_mode & stat.S_IXOTH for each in (path, *path.parents)):
        print(
            f"finery server: other users of this machine can read what lies in {home}, datasets, models and logs: "
            "chmod o-rwx it",
            file=sys.stderr,
            flush=True,
        )


def _tell(settings: Settings, listener: socket.socket) -> None:
    """One line on stdout, which nothing else is written to from then on."""
    told = {"url": address_of(settings, listener), "home": str(settings.home.resolve()), "pid": os.getpid()}
    print(json.dumps(told), flush=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def _run(composition: Composition, listener: socket.socket, tls: ssl.SSLContext | None) -> int:
    """The exit code."""
    # What was loaded stays: looking through it again and again would hold requests up for a tenth of a second.
    gc.freeze()
    # uvicorn raises the signal that ended it once more when all is closed; by then it has been obeyed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server = Server(build_app(composition), composition.settings, tls, composition.services.streams)
    lost = threading.Event()

    def end() -> None:
        lost.set()
        server.should_exit = True

    composition.when_lost(end)
    announce(composition, listener)
    warn_of_readers(composition.settings.home)
    server.run(sockets=[listener])
    return EXIT_NOT_STARTED if lost.is_set() else 0


def _refuse(code: int, reason: str) -> int:
    print(f"finery server: {reason}", file=sys.stderr)
    return code
