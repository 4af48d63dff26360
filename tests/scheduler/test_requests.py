"""A request is answered by a server that is killed around its commit; asked again with its key, it is one run."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.ports import free_port

BODY = {"recipe": "command", "config": {"argv": ["true"]}}
KEY = {"Idempotency-Key": "once"}


class Killable:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, failpoint: str | None = None) -> None:
        environment = {**os.environ, "FINERY_WARM_START": "off"}
        if failpoint:
            environment |= {"FINERY_FAILPOINTS": f"{failpoint}=kill"}
        command = [sys.executable, "-m", "finery.app", "--port", str(self.port), "--home", str(self.home)]
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        while not self._answers():
            assert self.process.poll() is None, (self.home / "server.log").read_text()
            time.sleep(0.02)

    def post(self) -> httpx.Response:
        return httpx.post(f"http://127.0.0.1:{self.port}/api/v1/runs", json=BODY, headers=KEY, timeout=30)

    def runs(self) -> list[dict[str, object]]:
        return list(httpx.get(f"http://127.0.0.1:{self.port}/api/v1/runs", timeout=30).json()["runs"])

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz").status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Killable]:
    server = Killable(tmp_path)
    yield server
    server.kill()


class TestKilledAroundTheCommit:
    @pytest.mark.thorough
    @pytest.mark.parametrize(("failpoint", "kept"), [("runs.before_commit", 0), ("runs.accepted", 1)])
    def test_asked_again_it_is_one_run(self, server: Killable, failpoint: str, kept: int) -> None:
        server.start(failpoint)
        with pytest.raises(httpx.TransportError):
            server.post()
        assert server.process is not None
        assert server.process.wait(10) == -9
        server.start()
        assert len(server.runs()) == kept
        assert server.post().status_code == 201
        assert len(server.runs()) == 1
