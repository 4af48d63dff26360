"""The app at a real socket, in a thread of this process."""

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import uvicorn

from finery.app import composition
from finery.app.asgi import build_app
from finery.app.composition import Composition
from finery.app.door import listen
from finery.app.settings import Settings
from tests.idle import IdleScheduler


class ThreadedServer:
    """Starts in a twentieth of the time that a process of its own takes. Nothing carries its runs out."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.composition = Composition(Settings(home=home, warm_start="off", **settings))
        self._listener = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        config = uvicorn.Config(build_app(self.composition), log_config=None, lifespan="on", ws="none")
        self._server = uvicorn.Server(config)
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
        self._server.should_exit = True
        self._thread.join()
