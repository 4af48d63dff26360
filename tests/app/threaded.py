"""The server in a thread of this process, at a real socket."""

import resource
import signal
import ssl
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from finery.app import composition
from finery.app.asgi import build_app
from finery.app.bind import address_of, listen
from finery.app.composition import Composition
from finery.app.server import Server
from finery.app.settings import Settings
from tests.idle import IdleScheduler


class ThreadedServer:
    """Starts in a tenth of the time that a process of its own takes. Nothing carries its runs out."""

    def __init__(self, home: Path, *, tls: ssl.SSLContext | None = None, **settings: Any) -> None:
        """`tls`: what it serves with, where the settings name a certificate."""
        self.composition = Composition(Settings(home=home, warm_start="off", **settings))
        self._listener = listen("127.0.0.1", 0)
        self.port: int = self._listener.getsockname()[1]
        self.url = address_of(self.composition.settings, self._listener)
        self._open_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        app, streams = build_app(self.composition), self.composition.services.streams
        self._server = Server(app, self.composition.settings, tls, streams)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]})

    def __enter__(self) -> Self:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(composition, "Scheduler", IdleScheduler)
            self._thread.start()
            while not self._server.started:
                assert self._thread.is_alive(), "the server did not start"
                time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.handle_exit(signal.SIGTERM, None)
        self._thread.join()
        # Which the server raised.
        resource.setrlimit(resource.RLIMIT_NOFILE, self._open_files)
