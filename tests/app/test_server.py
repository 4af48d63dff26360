"""A server that may open few files, at its own sockets."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from finery.app.server import ShortageReports
from tests.servers import RunningServer

FILES = 64
ASK = b"GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def server(home: Path) -> Iterator[RunningServer]:
    server = RunningServer(home)
    server.prefix = ["prlimit", f"--nofile={FILES}:{FILES}"]
    with server:
        yield server


def connect(server: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def status(client: socket.socket) -> int:
    """0: cut off."""
    try:
        client.sendall(ASK)
        return int(client.recv(65536)[9:12] or 0)
    except (ConnectionResetError, BrokenPipeError):
        return 0


class TestFewFiles:
    def test_it_says_so_refuses_what_is_too_much_and_recovers(self, server: RunningServer) -> None:
        with ExitStack() as stack:
            held = [stack.enter_context(connect(server)) for _ in range(3 * FILES)]
            answers = [status(client) for client in held]
        assert answers.count(200) >= 1
        assert answers.count(503) >= 1
        assert set(answers) <= {0, 200, 503}
        with connect(server) as client:
            assert status(client) in (200, 503)
        while True:
            with connect(server) as client:
                if status(client) == 200:
                    break
        said = server.log.read_text()
        assert f"{FILES} open files are allowed, so it takes" in said
        assert said.count("\n") < 30


class TestShortageReports:
    def test_a_thousand_failures_are_one_line(self, caplog: pytest.LogCaptureFixture) -> None:
        loop, reports = asyncio.new_event_loop(), ShortageReports()
        shortage = {"message": "socket.accept() out of system resource", "exception": OSError(errno.EMFILE, "too many")}
        for _ in range(1000):
            reports(loop, shortage)
        assert len(caplog.records) == 1
        reports(loop, {"message": "never retrieved", "exception": RuntimeError("boom")})
        loop.close()
        assert "never retrieved" in caplog.text
