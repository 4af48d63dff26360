"""A real server in a process of its own."""

import os
import signal
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psutil

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 120.0


class RunningServer:
    def __init__(self, home: Path, *, port: int | None = None, **environment: str) -> None:
        self.home = home
        self.port = port or free_port()
        self.environment = environment
        self.tls: ssl.SSLContext | None = None
        """How its certificate is checked, of a server that speaks TLS."""
        self.prefix: list[str] = []
        """What its command line begins with: a program that starts it in a world of its own."""
        self.log_name = "server.log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._end_minders()

    def _end_minders(self) -> None:
        """Engines outlive their server, and end with the process that minds them."""
        for process in psutil.process_iter(["cmdline"]):
            if any(str(self.home) in argument for argument in process.info["cmdline"] or ()):
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.home / self.log_name

    def start(self) -> None:
        self.process = self.launch()
        deadline = time.monotonic() + START_SECONDS
        while not self.is_healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"no healthy server\n{self.log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.02)

    def launch(self) -> subprocess.Popen[bytes]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FINERY_")}
        environment = {"PYTHONPATH": str(ROOT / "src"), "FINERY_WARM_START": "off", **self.environment}
        argv = [*self.prefix, sys.executable, "-m", "finery.app", "--home", str(self.home), "--port", str(self.port)]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                argv, env={**inherited, **environment}, stdout=log, stderr=log, start_new_session=True
            )

    def is_healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2.0, trust_env=False, verify=self.tls or False).is_success
        except httpx.TransportError:
            return False

    def stop(self, *, timeout: float = 15.0) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        finally:
            self.kill()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
