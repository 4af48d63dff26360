"""A server in a home of its own, for the benchmarks."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

STARTED_WITHIN_SECONDS = 60.0


class Server:
    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it; the seconds until the first 200 of /healthz."""
        began = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "finery.cli.main",
            "server",
            "--port",
            str(self.port),
            "--home",
            str(self.home),
        ]
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, **self.settings}, stdout=log, stderr=log, start_new_session=True
            )
        while not self._healthy():
            if self.process.poll() is not None or time.perf_counter() - began > STARTED_WITHIN_SECONDS:
                raise RuntimeError((self.home / "server.log").read_text()[-2000:])
            time.sleep(0.005)
        return time.perf_counter() - began

    def kill(self) -> None:
        """As a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def memory_bytes(self) -> int:
        """Resident, of the server process alone."""
        assert self.process is not None
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=120)

    def _healthy(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                return b" 200 " in connection.recv(64)
        except OSError:
            return False


@contextmanager
def running(**settings: str) -> Iterator[Server]:
    home = Path(tempfile.mkdtemp(prefix="finery-bench-"))
    server = Server(home, **settings)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
