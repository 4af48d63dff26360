import re
import shutil
import socket
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from finery import __version__
from finery.db import Database
from finery.migrations import HEAD
from tests.domain.accounts import people
from tests.ports import free_port
from tests.servers import RunningServer

JOB = {"job_id": "a", "model_name": "m", "dataset": "d"}


def refused(home: Path, **environment: str) -> tuple[int, str]:
    """The exit code and what was said."""
    server = RunningServer(home, **environment)
    code = server.launch().wait(20)
    return code, server.log.read_text()


class TestRefusals:
    def test_port_in_use(self, home: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            server = RunningServer(home, port=taken.getsockname()[1])
            assert server.launch().wait(20) == 3
        assert server.log.read_text().count("\n") == 1
        assert str(server.port) in server.log.read_text()

    def test_home_in_use(self, server: RunningServer) -> None:
        assert server.process is not None
        second = RunningServer(server.home)
        assert second.launch().wait(20) == 4
        assert f"in use by the server with process id {server.process.pid}" in second.log.read_text()
        assert server.is_healthy()

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


class TestRemoteSetup:
    def test_a_token_is_shown_until_there_is_an_administrator(self, home: Path) -> None:
        first, second = token_shown(home), token_shown(home)
        assert first is not None
        assert second not in (None, first)
        database = Database("sqlite:///training.db", home=home)
        people.first_admin(database)
        database.dispose()
        assert token_shown(home) is None


def token_shown(home: Path) -> str | None:
    server = RunningServer(home, FINERY_REMOTE_SETUP="true")
    server.log.unlink(missing_ok=True)
    with server:
        pass
    found = re.findall(r"^    (\S{43})$", server.log.read_text(), re.MULTILINE)
    assert len(found) <= 1
    return found[0] if found else None


class TestServing:
    def test_tables_exist_after_the_first_start(self, server: RunningServer) -> None:
        with sqlite3.connect(server.home / "training.db") as connection:
            found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        connection.close()
        assert {"projects", "runs", "logs", "artifacts"} <= found

    def test_survives_a_kill(self, home: Path) -> None:
        server = RunningServer(home)
        server.start()
        httpx.post(f"{server.url}/jobs", json=JOB)
        server.kill()
        server.start()
        assert httpx.get(f"{server.url}/jobs/a").json()["status"] == "queued"
        assert server.stop() == 0

    def test_ends_soon_with_streams_open(self, server: RunningServer) -> None:
        httpx.post(f"{server.url}/jobs", json=JOB)
        ends: list[float] = []

        def follow() -> None:
            with httpx.stream("GET", f"{server.url}/api/v1/runs/a/events/stream", timeout=60) as answer:
                for _ in answer.iter_bytes():
                    pass
            ends.append(time.monotonic())

        followers = [threading.Thread(target=follow) for _ in range(5)]
        for follower in followers:
            follower.start()
        time.sleep(0.5)
        began = time.monotonic()
        assert server.stop() == 0
        for follower in followers:
            follower.join()
        assert len(ends) == 5
        assert time.monotonic() - began < 4

    def test_last_event_id_across_a_restart(self, home: Path) -> None:
        server = RunningServer(home)
        server.start()
        httpx.post(f"{server.url}/jobs", json=JOB)
        httpx.patch(f"{server.url}/jobs/a/status", json={"status": "running"})
        server.kill()
        server.start()
        httpx.patch(f"{server.url}/jobs/a/status", json={"status": "succeeded"})
        address = f"{server.url}/api/v1/runs/a/events/stream"
        ids = [line for line in httpx.get(address, headers={"Last-Event-ID": "1"}).text.split("\n") if "id: " in line]
        server.stop()
        assert ids == ["id: 2", "id: 3"]

    def test_client_that_goes_half_way_through_an_upload_leaves_nothing(self, server: RunningServer) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(
                b"POST /upload/dataset HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
                b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"y" * 3_000_000
            )
            uploads = server.home / "data" / "uploads"
            wait_until(lambda: uploads.is_dir() and any(uploads.iterdir()))
        wait_until(lambda: not any(uploads.iterdir()))
        assert server.is_healthy()

    def test_upload_that_a_kill_broke_off_is_swept(self, home: Path) -> None:
        uploads = home / "data" / "uploads"
        uploads.mkdir(parents=True)
        (uploads / ".partial-1234").write_bytes(b"half")
        with RunningServer(home):
            assert not any(uploads.iterdir())


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
