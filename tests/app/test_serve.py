import gc
import io
import logging
import re
import shutil
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from finery import __version__
from finery.app.__main__ import main
from finery.migrations import HEAD
from tests.ports import free_port
from tests.servers import RunningServer

JOB = {"job_id": "a", "model_name": "m", "dataset": "d"}
PARTIAL = ".partial-1234"


def refused(home: Path, *, port: int | None = None, **environment: str) -> tuple[int, str]:
    """The exit code and what was said, logged too, of a server that this process does not come to be."""
    said = io.StringIO()
    own = {"FINERY_HOME": str(home), "FINERY_PORT": str(port or free_port()), "FINERY_WARM_START": "off"}
    levels = {logger: logger.level for logger in map(logging.getLogger, (None, "alembic", "sqlalchemy.pool"))}
    with pytest.MonkeyPatch.context() as here:
        for name, value in {**own, **environment}.items():
            here.setenv(name, value)
        here.setattr(sys, "argv", ["finery.app"])
        here.setattr(sys, "stderr", said)
        for name in ("disable", "freeze"):
            here.setattr(gc, name, lambda: None)
        here.setattr(logging.root, "handlers", [])
        code = main()
    for logger, level in levels.items():
        logger.setLevel(level)
    return code, said.getvalue()


class TestRefusals:
    def test_port_in_use(self, home: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            code, said = refused(home, port=port)
        assert (code, said.count("\n")) == (3, 1)
        assert str(port) in said

    def test_home_in_use(self, restarted: RunningServer) -> None:
        assert restarted.process is not None
        code, said = refused(restarted.home)
        assert (code, said.count("\n")) == (4, 1)
        assert f"in use by the server with process id {restarted.process.pid}" in said
        assert restarted.is_healthy()

    def test_more_than_this_machine(self, home: Path) -> None:
        code, said = refused(home, FINERY_HOST="0.0.0.0")
        assert (code, said.count("\n")) == (2, 1)
        assert "start it on 127.0.0.1 and make one with `finery setup`, or give --remote-setup" in said

    def test_another_machines_address(self, home: Path) -> None:
        code, said = refused(home, FINERY_HOST="192.0.2.1")
        assert (code, said.count("\n")) == (3, 1)
        assert "192.0.2.1" in said

    def test_tls_files(self, home: Path) -> None:
        none = str(home / "none.pem")
        code, said = refused(home, FINERY_TLS_CERTIFICATE=none, FINERY_TLS_KEY=none)
        assert (code, said.count("\n")) == (2, 1)
        assert said.startswith("finery server: FINERY_TLS_CERTIFICATE: ")

    def test_no_database(self, home: Path) -> None:
        url = f"postgresql://finery:secret@127.0.0.1:{free_port()}/none"
        code, said = refused(home, TRAINING_DB_URL=url)
        assert (code, said.count("\n")) == (4, 1)
        assert "secret" not in said

    def test_schema_of_a_newer_version(self, home: Path, sqlite_template: Path) -> None:
        said = refused_with_schema(home, sqlite_template, "0412")
        assert f"its schema 0412 is of a newer Finery, and this one, {__version__}, knows {HEAD} and older" in said

    def test_schema_of_another_program(self, home: Path, sqlite_template: Path) -> None:
        assert "another program's" in refused_with_schema(home, sqlite_template, "ae1027a6acf")

    def test_no_setting(self, home: Path) -> None:
        code, said = refused(home, FINERY_PROT="8001")
        assert (code, said) == (2, "finery server: FINERY_PROT is no setting; did you mean FINERY_PORT?\n")


def refused_with_schema(home: Path, template: Path, version: str) -> str:
    """What was said, in one line, of a database whose schema claims that version."""
    shutil.copy(template, home / "training.db")
    connection = sqlite3.connect(home / "training.db")
    connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    connection.commit()
    connection.close()
    code, said = refused(home)
    assert (code, said.count("\n")) == (4, 1)
    return said


@pytest.fixture(scope="module")
def restarted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Killed with one run queued, one running and an upload half stored, and started again."""
    with RunningServer(tmp_path_factory.mktemp("home"), FINERY_REMOTE_SETUP="true") as server:
        for job_id in ("queued", "running"):
            httpx.post(f"{server.url}/jobs", json={**JOB, "job_id": job_id})
        httpx.patch(f"{server.url}/jobs/running/status", json={"status": "running"})
        server.kill()
        uploads = server.home / "data" / "uploads"
        uploads.mkdir(parents=True, exist_ok=True)
        (uploads / PARTIAL).write_bytes(b"half")
        server.start()
        yield server


class TestServing:
    def test_tables_exist_after_the_first_start(self, restarted: RunningServer) -> None:
        with sqlite3.connect(restarted.home / "training.db") as connection:
            found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        connection.close()
        assert {"projects", "runs", "logs", "artifacts"} <= found

    def test_survives_a_kill(self, restarted: RunningServer) -> None:
        assert httpx.get(f"{restarted.url}/jobs/queued").json()["status"] == "queued"

    def test_a_token_for_the_first_administrator_is_shown_anew_at_each_start(self, restarted: RunningServer) -> None:
        first, second = re.findall(r"^    (\S{43})$", restarted.log.read_text(), re.MULTILINE)
        assert first != second

    def test_last_event_id_across_a_restart(self, restarted: RunningServer) -> None:
        httpx.patch(f"{restarted.url}/jobs/running/status", json={"status": "succeeded"})
        address = f"{restarted.url}/api/v1/runs/running/events/stream"
        ids = [line for line in httpx.get(address, headers={"Last-Event-ID": "1"}).text.split("\n") if "id: " in line]
        assert ids == ["id: 2", "id: 3"]

    def test_upload_that_a_kill_broke_off_is_swept(self, restarted: RunningServer) -> None:
        assert not (restarted.home / "data" / "uploads" / PARTIAL).exists()

    def test_client_that_goes_half_way_through_an_upload_leaves_nothing(self, restarted: RunningServer) -> None:
        with socket.create_connection(("127.0.0.1", restarted.port)) as connection:
            connection.sendall(
                b"POST /upload/dataset HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
                b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"y" * 3_000_000
            )
            uploads = restarted.home / "data" / "uploads"
            wait_until(lambda: any(uploads.iterdir()))
        wait_until(lambda: not any(uploads.iterdir()))
        assert restarted.is_healthy()

    def test_what_clients_send_that_is_no_request_is_logged_once(self, restarted: RunningServer) -> None:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", restarted.port)) as connection:
                connection.sendall(b"nonsense\r\n\r\n")
                assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
        assert restarted.log.read_text().count("Invalid HTTP request") == 1

    def test_ends_soon_with_streams_open(self, server: RunningServer) -> None:
        httpx.post(f"{server.url}/jobs", json=JOB)
        begun, ends = threading.Semaphore(0), []

        def follow() -> None:
            with httpx.stream("GET", f"{server.url}/api/v1/runs/a/events/stream", timeout=60) as answer:
                pieces = answer.iter_bytes()
                next(pieces)
                begun.release()
                for _ in pieces:
                    pass
            ends.append(time.monotonic())

        followers = [threading.Thread(target=follow) for _ in range(5)]
        for follower in followers:
            follower.start()
        for _ in followers:
            assert begun.acquire(timeout=30)
        began = time.monotonic()
        assert server.stop() == 0
        for follower in followers:
            follower.join()
        assert len(ends) == 5
        assert time.monotonic() - began < 4


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
