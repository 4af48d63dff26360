"""Runs the server from start to shutdown, and turns what prevents its start into a message and an exit code."""

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
"""Also when another server took the database over."""


def serve(settings: Settings, *, as_json: bool = False) -> int:
    """Returns the exit code: 0 after SIGTERM or Ctrl-C, else one of the above, after a line on stderr that says why.

    `as_json` prints address, home and process id on stdout, as one line.
    """
    certificate, key = settings.tls_certificate, settings.tls_key
    try:
        tls = tls_context(certificate, key) if certificate is not None and key is not None else None
        listener = listen(settings.host, settings.port)
    except TlsRefused as error:
        return _refuse(EXIT_USAGE, str(error))
    except OSError as error:
        return _refuse(EXIT_PORT_TAKEN, f"cannot listen on {settings.host}, port {settings.port}: {error.strerror}")
    with listener:
        if as_json:
            started = {"url": address_of(settings, listener), "home": str(settings.home.resolve()), "pid": os.getpid()}
            print(json.dumps(started), flush=True)
            # Nothing else must come on stdout from now on.
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        configure_log(settings.log_level)
        return _serve_on(listener, settings, tls)


def _serve_on(listener: socket.socket, settings: Settings, tls: ssl.SSLContext | None) -> int:
    try:
        composition = Composition(settings)
    except StartRefused as error:
        return _refuse(EXIT_NOT_STARTED, str(error))
    try:
        # Its owner's alone; the mode of one that is there stays, as a team may share it. `open` reports what is wrong.
        with suppress(OSError):
            settings.home.mkdir(mode=0o700, parents=True)
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


def warn_of_readers(home: Path) -> None:
    """Warn on stderr when other users of the machine can enter the home and every directory above it."""
    path = home.resolve()
    if all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents)):
        print(
            f"finery server: other users of this machine can read what lies in {home}, datasets, models and logs: "
            "chmod o-rwx it",
            file=sys.stderr,
            flush=True,
        )


def _run(composition: Composition, listener: socket.socket, tls: ssl.SSLContext | None) -> int:
    """Returns the exit code."""
    # Collecting what was loaded, which stays, again and again would hold requests up for a tenth of a second.
    gc.freeze()
    # uvicorn raises the signal that ended it once more when all is closed; it must not end the process then.
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
