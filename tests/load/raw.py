"""Connections that do not behave: each sends a few bytes, and reads nothing unless told."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import psutil

CONNECT_SECONDS = 60.0
SMALL_BUFFER = 4096
"""Bytes that the system takes in for a client that does not read."""


@contextmanager
def connections(port: int, payloads: Sequence[bytes]) -> Iterator[list[socket.socket]]:
    """A connection for each of `payloads`, which it has sent; all are closed at the end of the block."""
    with ExitStack() as stack:
        yield [stack.enter_context(_open(port, payload)) for payload in payloads]


def _open(port: int, payload: bytes) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    connection.settimeout(CONNECT_SECONDS)
    connection.connect(("127.0.0.1", port))
    # Where it was turned away at once, that is what there is to see.
    with suppress(ConnectionError):
        connection.sendall(payload)
    return connection


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def read_status(connection: socket.socket) -> int:
    """Of the answer, of which the rest is left unread. Waits for it."""
    line = connection.recv(len("HTTP/1.1 200"), socket.MSG_WAITALL)
    return int(line.rpartition(b" ")[2])


def read_a_byte(connection: socket.socket) -> None:
    """If there is one."""
    with suppress(BlockingIOError, ConnectionError):
        connection.recv(1, socket.MSG_DONTWAIT)


def open_at(server: psutil.Process, opened: Sequence[socket.socket]) -> int:
    """How many of the connections the server has not closed: what the client sees is late, since the system still
    delivers what was sent before."""
    ports = {connection.getsockname()[1] for connection in opened}
    return sum(bool(each.raddr) and each.raddr.port in ports for each in server.net_connections("tcp"))
