"""A client that is slow, greedy or hostile, at a raw socket of a real server."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from finery.app.connections import MAX_HEAD_BYTES, MAX_HEADERS, Connection, ConnectionLimits
from finery.app.large_bodies import PIECE_BYTES
from tests.app.threaded import ThreadedServer

HEAD_SECONDS = 0.5
ORIGIN = "https://page.example"
ASK = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with ThreadedServer(
        tmp_path_factory.mktemp("home"),
        head_timeout_seconds=HEAD_SECONDS,
        body_timeout_seconds=HEAD_SECONDS,
        max_connections=4,
        allowed_origins=[ORIGIN],
    ) as server:
        yield server.port


@pytest.fixture
def client(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        yield client


def read_all(client: socket.socket) -> bytes:
    """Until the server closes; also by a reset, when it left something unread."""
    found = b""
    try:
        while piece := client.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return found


def seconds_until_cut_off(client: socket.socket, data: bytes) -> float:
    """How long the server let itself be sent `data` again and again."""
    began = time.monotonic()
    while time.monotonic() - began < 10:
        try:
            client.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return time.monotonic() - began
        time.sleep(HEAD_SECONDS / 25)
    raise AssertionError("the server listens for ever")


def error_of(answer: bytes) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    return error


class TestHead:
    @pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
    def test_that_never_ends(self, client: socket.socket, sent: bytes) -> None:
        began = time.monotonic()
        client.sendall(sent)
        assert read_all(client) == b""
        assert HEAD_SECONDS * 0.9 < time.monotonic() - began < 5

    @pytest.mark.parametrize("before", [b"", ASK])
    def test_that_dribbles(self, client: socket.socket, before: bytes) -> None:
        client.sendall(before)
        if before:
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
        assert HEAD_SECONDS * 0.9 < seconds_until_cut_off(client, b"G") < 5

    def test_a_slow_but_steady_client_is_served_again_and_again(self, client: socket.socket) -> None:
        for _ in range(4):
            for piece in (ASK[:10], ASK[10:30], ASK[30:]):
                client.sendall(piece)
                time.sleep(HEAD_SECONDS / 10)
            assert client.recv(65536).startswith(b"HTTP/1.1 200")

    def test_that_is_too_large(self, client: socket.socket) -> None:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * (MAX_HEAD_BYTES + 1))
        answer = read_all(client)
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert error_of(answer)["code"] == "headers_too_large"

    @pytest.mark.parametrize(
        "headers",
        [
            b"X: " + b"x" * 40_000 + b"\r\n",
            b"X:" + b" " * 40_000 + b"x\r\n",
            b"X: 1\r\n" * (MAX_HEADERS + 1),
            b"X: " + b"x" * (MAX_HEAD_BYTES - len(ASK) - 4) + b"\r\n",
        ],
        ids=["long", "padded", "many", "one byte too many"],
    )
    def test_that_is_too_large_and_comes_whole(self, client: socket.socket, headers: bytes) -> None:
        client.sendall(ASK[:-2] + headers + b"\r\n")
        answer = read_all(client)
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert error_of(answer)["code"] == "headers_too_large"

    def test_that_is_just_large_enough(self, client: socket.socket) -> None:
        rest = MAX_HEAD_BYTES - len(ASK) - len(b"X: \r\n")
        client.sendall(ASK[:-2] + b"X: " + b"x" * rest + b"\r\n\r\n")
        client.sendall(ASK[:-2] + b"X: 1\r\n" * (MAX_HEADERS - 1) + b"\r\n")
        # The connection is closed because nobody asks again.
        assert read_all(client).count(b"HTTP/1.1 200") == 2

    def test_trailers_that_never_end(self, client: socket.socket) -> None:
        client.sendall(
            b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
        )
        assert seconds_until_cut_off(client, b"X: " + b"x" * 20_000 + b"\r\n") < 5

    def test_that_is_none(self, client: socket.socket) -> None:
        client.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        answer = read_all(client)
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"\r\nX-Request-Id: req_" in answer
        assert error_of(answer)["code"] == "malformed_request"


class TestWholeAddress:
    @pytest.mark.parametrize(
        ("target", "host", "status"),
        [
            ("http://localhost/healthz", "localhost", 200),
            ("HTTP://127.0.0.1:8001/healthz?a=1", "evil.example", 200),
            ("http://localhost/api%2Fv1/nothing", "localhost", 404),
            ("http://localhost", "localhost", 404),
            ("http://evil.example/healthz", "localhost", 421),
            ("http://evil.example@localhost/healthz", "localhost", 421),
            ("http:///healthz", "localhost", 421),
        ],
    )
    def test_its_host_counts(self, client: socket.socket, target: str, host: str, status: int) -> None:
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert read_all(client).startswith(b"HTTP/1.1 %d " % status)

    def test_a_page_of_another_site_gains_nothing(self, client: socket.socket) -> None:
        client.sendall(b"POST http://localhost/jobs HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n")
        client.sendall(b"Origin: http://evil.example\r\nContent-Length: 0\r\n\r\n")
        assert read_all(client).startswith(b"HTTP/1.1 403 ")


class TestBody:
    def test_that_does_not_come(self, client: socket.socket) -> None:
        client.sendall(
            b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        answer = read_all(client)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in answer.lower()

    def test_that_dribbles_though_nobody_logged_in(self, client: socket.socket) -> None:
        client.sendall(b"POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        client.sendall(b"Content-Length: 60000\r\n\r\n")
        assert seconds_until_cut_off(client, b" ") < HEAD_SECONDS * 4

    def test_a_large_one_that_stops_half_way(self, client: socket.socket) -> None:
        form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
        client.sendall(b"POST /api/v1/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n")
        client.sendall(b"Content-Type: multipart/form-data; boundary=b\r\n\r\n" + form + b"x" * 3_000_000)
        answer = read_all(client)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert error_of(answer)["code"] == "body_timeout"

    def test_too_large_by_its_declared_length(self, client: socket.socket) -> None:
        client.sendall(b"POST /api/v1/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000\r\n")
        client.sendall(b"Content-Type: multipart/form-data; boundary=b\r\n\r\n")
        answer = read_all(client)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert error_of(answer)["code"] == "too_large"

    @pytest.mark.parametrize(
        ("asked", "headers"),
        [
            ("GET /jobs", ["Host: localhost"]),
            ("POST /jobs", ["Host: localhost"]),
            ("POST /jobs", ["Host: evil.example"]),
            ("POST /jobs", ["Host: localhost", "Origin: https://evil.example"]),
            ("POST /jobs?key=st_abc", ["Host: localhost"]),
            ("OPTIONS /jobs", ["Host: localhost", f"Origin: {ORIGIN}", "Access-Control-Request-Method: GET"]),
        ],
        ids=["get", "post", "foreign host", "foreign origin", "key", "preflight"],
    )
    def test_of_two_lengths_hides_no_second_request(
        self, client: socket.socket, asked: str, headers: list[str]
    ) -> None:
        client.sendall("\r\n".join([f"{asked} HTTP/1.1", *headers, "Content-Type: application/json", ""]).encode())
        client.sendall(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + ASK)
        answer = read_all(client)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1 ") == 1

    def test_of_a_request_that_was_answered_before(self, client: socket.socket) -> None:
        client.sendall(b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        client.sendall(b"Content-Length: 1000\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 404")
        assert seconds_until_cut_off(client, b" ") < 5

    def test_an_answer_may_take_longer_than_a_head(self, client: socket.socket) -> None:
        client.sendall(b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        body = json.dumps({"job_id": "slow", "model_name": "m", "dataset": "d"}).encode()
        client.sendall(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert client.recv(65536).startswith(b"HTTP/1.1 201")
        client.sendall(b"GET /api/v1/runs/slow/events/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.settimeout(HEAD_SECONDS * 3)
        with pytest.raises(TimeoutError):
            read_all(client)


class TestConnections:
    def test_one_too_many(self, port: int) -> None:
        held = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(4)]
        time.sleep(0.05)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as surplus:
            surplus.sendall(ASK)
            answer = read_all(surplus)
        for client in held:
            client.sendall(ASK)
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
            client.close()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 2\r\n" in answer
        assert error_of(answer)["code"] == "unavailable"

    def test_there_is_room_again(self, client: socket.socket) -> None:
        client.sendall(ASK)
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


class TestReader:
    def test_that_does_not_read(self) -> None:
        async def talk() -> None:
            state = ServerState()
            async with serving(streaming(10_000, times=100), state, unread_seconds=0.3) as address:
                with small_client(address) as client:
                    client.sendall(ASK)
                    await until(lambda: len(state.tasks) == 1)
                    await until(lambda: not state.connections and not state.tasks)

        asyncio.run(talk())

    def test_that_does_not_read_the_end(self) -> None:
        """What is left of an answer holds the connection open that the server closes."""

        async def talk() -> None:
            state = ServerState()
            async with serving(answering(50_000), state, unread_seconds=0.3) as address:
                with small_client(address) as client:
                    client.sendall(ASK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                    await until(lambda: len(state.connections) == 1)
                    await until(lambda: not state.connections)

        asyncio.run(talk())

    def test_that_reads_but_for_the_end(self) -> None:
        async def talk() -> None:
            state = ServerState()
            async with serving(answering(200_000), state, unread_seconds=0.3) as address:
                with small_client(address) as client:
                    client.sendall(ASK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                    await until(lambda: unsent(state) > LOW_WATER)
                    while unsent(state) > LOW_WATER:
                        await asyncio.get_running_loop().sock_recv(client, 1024)
                    assert unsent(state)
                    await until(lambda: not state.connections)

        asyncio.run(talk())

    def test_the_servers_end_while_a_refusal_is_unread(self) -> None:
        async def talk() -> None:
            state = ServerState()
            async with serving(answering(50_000), state, unread_seconds=60) as address:
                with small_client(address) as client:
                    client.sendall(ASK + b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n")
                    client.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
                    await until(lambda: any(each.transport.is_closing() for each in connections(state)))
                    for each in connections(state):
                        each.shutdown()

        asyncio.run(talk())

    def test_that_reads_slowly(self) -> None:
        """Its answer is one piece, so that the server's own buffer is not seen to empty."""

        async def talk() -> int:
            async with serving(answering(SLOWLY_READ), ServerState(), unread_seconds=0.3) as address:
                with small_client(address) as client:
                    client.sendall(ASK)
                    loop, read = asyncio.get_running_loop(), 0
                    while read < SLOWLY_READ and (piece := await loop.sock_recv(client, 8192)):
                        read += len(piece)
                        await asyncio.sleep(0.01)
                    return read

        assert asyncio.run(talk()) >= SLOWLY_READ


SLOWLY_READ = 400_000
SMALL_BUFFER = 4096
LOW_WATER = 16 * 1024
"""At which asyncio lets the application write again."""


def answering(length: int) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(bytes(length))(scope, receive, send)

    return app


def streaming(length: int, *, times: int) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(iter([bytes(length)] * times))(scope, receive, send)

    return app


def connections(state: ServerState) -> list[Connection]:
    return [each for each in state.connections if isinstance(each, Connection)]


def unsent(state: ServerState) -> int:
    return sum(each.transport.get_write_buffer_size() for each in connections(state))


@asynccontextmanager
async def serving(app: ASGIApp, state: ServerState, *, unread_seconds: float) -> AsyncIterator[tuple[str, int]]:
    """With small buffers in the system."""
    config = uvicorn.Config("none:none", interface="asgi3", http=Connection, log_config=None, lifespan="off")
    config.loaded, config.loaded_app, config.ws_protocol_class = True, app, None
    limits = ConnectionLimits(connections=4, head_seconds=60, unread_seconds=unread_seconds)
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
    server = await loop.create_server(
        lambda: Connection(config, state, {}, limits, memoryview(bytearray(PIECE_BYTES)), loop), sock=listener
    )
    async with server:
        yield listener.getsockname()
        for connection in [*state.connections]:
            connection.transport.abort()
        await asyncio.sleep(0)


def small_client(address: tuple[str, int]) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    client.connect(address)
    client.setblocking(False)
    return client


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():
            await asyncio.sleep(0.005)


class Socket(asyncio.Protocol):
    """Stands for a WebSocket library, of which none needs to be installed."""

    def __init__(self, **_: Any) -> None:
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


class TestUpgrade:
    def test_a_websocket_is_not_cut_off(self) -> None:
        async def talk() -> bytes:
            config = uvicorn.Config(
                "none:none", interface="asgi3", http=Connection, ws=Socket, log_config=None, lifespan="off"
            )
            config.loaded, config.loaded_app, config.ws_protocol_class = True, None, Socket
            limits = ConnectionLimits(connections=4, head_seconds=0.1)
            loop = asyncio.get_running_loop()
            server = await loop.create_server(
                lambda: Connection(config, ServerState(), {}, limits, memoryview(bytearray(PIECE_BYTES)), loop),
                "127.0.0.1",
                0,
            )
            async with server:
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                writer.write(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(0.3)
                writer.write(b"still there")
                answer = await asyncio.wait_for(reader.readexactly(11), 5)
                writer.close()
                await writer.wait_closed()
            return answer

        assert asyncio.run(talk()) == b"still there"
