"""Real servers on copied homes and shared databases: each run is carried out once, and by whom it belongs to."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import create_engine, make_url, text

from tests import databases
from tests.servers import RunningServer

OWN_NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
"""Numbers of processes of its own, as in a container."""
LONG_SECONDS = 60
"""On a loaded machine a server takes long to start."""
PROGRAM = "import time; open('ran', 'a').write('x'); time.sleep(600)"


def can_unshare() -> bool:
    tool = shutil.which(OWN_NAMESPACE[0])
    return tool is not None and subprocess.run([*OWN_NAMESPACE, "true"], capture_output=True).returncode == 0


needs_unshare = pytest.mark.skipif(not can_unshare(), reason="this machine lets nobody make a PID namespace")


def started(server: RunningServer, home: Path) -> dict[str, Any]:
    """A run whose process has begun."""
    argv = [sys.executable, "-c", PROGRAM]
    run = httpx.post(f"{server.url}/api/v1/runs", json={"recipe": "command", "config": {"argv": argv}}).json()
    wait_until(lambda: (home / "ran").exists() and get(server, run["id"])["status"] == "running")
    return get(server, run["id"])


def get(server: RunningServer, run_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"{server.url}/api/v1/runs/{run_id}").json()
    return answer


def ask(server: RunningServer, run_id: str, what: str) -> int:
    return httpx.post(f"{server.url}/api/v1/runs/{run_id}/{what}").status_code


def processes_of(home: Path) -> list[psutil.Process]:
    """Trainers by where they work."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(home) and PROGRAM in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


def copy_of(home: Path) -> Path:
    """As a backup is taken while the server runs."""
    copy = home.with_name("copy")
    subprocess.run(["cp", "-a", home, copy], check=True)
    for file in copy.glob("training.db*"):
        file.unlink()
    with sqlite3.connect(home / "training.db") as source, sqlite3.connect(copy / "training.db") as target:
        source.backup(target)
    source.close()
    target.close()
    (copy / "server.log").unlink()
    return copy


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


class TestCopiedHome:
    @pytest.mark.parametrize(
        "prefix",
        [[], pytest.param(OWN_NAMESPACE, marks=[needs_unshare, pytest.mark.thorough])],
        ids=["beside", "apart"],
    )
    def test_beside_its_original_touches_nothing_of_it(
        self, server: RunningServer, home: Path, prefix: list[str]
    ) -> None:
        run = started(server, home)
        [trainer] = processes_of(home)
        copied = RunningServer(copy_of(home))
        copied.prefix = prefix
        try:
            copied.start()
            held = get(copied, run["id"])
            assert (held["status"], held["reason"]) == ("paused", "lost")
            assert "another home" in held["error"]
            assert ask(copied, run["id"], "cancel") == 200
            assert get(copied, run["id"])["status"] == "cancelled"
            assert httpx.delete(f"{copied.url}/api/v1/runs/{run['id']}").is_success
        finally:
            copied.kill()
        assert trainer.is_running()
        assert get(server, run["id"])["status"] == "running"
        assert (home / "ran").read_text() == "x"
        assert not (copied.home / "ran").exists() or (copied.home / "ran").read_text() == "x"
        ask(server, run["id"], "cancel")
        wait_until(lambda: get(server, run["id"])["status"] == "cancelled")
        assert processes_of(home) == []


@pytest.fixture
def shared(urls: Callable[[str], str]) -> str:
    if "postgres" not in databases.wanted():
        pytest.skip("needs PostgreSQL")
    url = urls("postgres")
    engine = create_engine(make_url(url))
    databases.empty(engine)
    engine.dispose()
    return url


def run_out(url: str) -> None:
    """As time does."""
    engine = create_engine(make_url(url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE server_lease SET expires_at = 1"))
    engine.dispose()


@contextmanager
def ended_at_last(server: RunningServer) -> Iterator[None]:
    try:
        yield
    finally:
        server.kill()


class TestSharedDatabase:
    @pytest.mark.parametrize(
        "prefix",
        [pytest.param([], marks=pytest.mark.thorough), pytest.param(OWN_NAMESPACE, marks=needs_unshare)],
        ids=["beside", "apart"],
    )
    def test_second_server_is_refused_and_the_run_is_started_once(
        self, home: Path, shared: str, prefix: list[str]
    ) -> None:
        first = RunningServer(home, TRAINING_DB_URL=shared)
        first.prefix = prefix
        second = RunningServer(home.with_name("second"), TRAINING_DB_URL=shared)
        second.prefix = prefix
        second.home.mkdir()
        try:
            first.start()
            started(first, home)
            second.process = second.launch()
            assert second.process.wait(LONG_SECONDS) == 4
            said = second.log.read_text()
            assert said.count("\n") == 1
            assert f"home {home}" in said
            assert (home / "ran").read_text() == "x"
            assert not (second.home / "ran").exists()
        finally:
            second.kill()
            first.kill()
            for process in processes_of(home):
                process.kill()

    @pytest.mark.thorough
    def test_server_that_slept_through_its_lease_writes_nothing_and_ends(self, home: Path, shared: str) -> None:
        first = RunningServer(home, TRAINING_DB_URL=shared)
        second = RunningServer(home.with_name("second"), TRAINING_DB_URL=shared)
        second.home.mkdir()
        with first, ended_at_last(second):
            assert first.process is not None
            os.kill(first.process.pid, signal.SIGSTOP)
            run_out(shared)
            second.start()
            # What it would claim at once if it might.
            argv = [sys.executable, "-c", PROGRAM]
            body = {"recipe": "command", "config": {"argv": argv}}
            run = httpx.post(f"{second.url}/api/v1/runs", json=body).json()
            os.kill(first.process.pid, signal.SIGCONT)
            assert first.process.wait(LONG_SECONDS) == 4
            wait_until(lambda: (second.home / "ran").exists())
            assert get(second, run["id"])["attempt"] == 1
            assert not (home / "ran").exists()
            ask(second, run["id"], "cancel")
            wait_until(lambda: get(second, run["id"])["status"] == "cancelled")
            assert second.stop() == 0
        said = first.log.read_text()
        assert said.count("another server has taken over the database") == 1
        assert "Traceback" not in said
