"""Bodies on their way through a real connection to an application: whole, in order, bounded, and no byte of the next
request among them."""

import asyncio
import hashlib
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import h11
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.server import ServerState

from finery.app.connections import Connection, ConnectionLimits
from finery.app.large_bodies import AHEAD_BYTES, PIECE_BYTES, Pieces, skip_middle
from finery.app.tls import Handshakes
from tests.app.certificates import certificate

MIB = 1 << 20
BODY = random.Random(1).randbytes(3 * MIB + 12345)
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def digested(scope: Scope, receive: Receive, send: Send) -> None:
    digest = hashlib.sha256()
    async for chunk in Request(scope, receive).stream():
        digest.update(chunk)
    await PlainTextResponse(digest.hexdigest())(scope, receive, send)


async def unread(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(scope["path"])(scope, receive, send)


class Counting:
    """Answers with the length; keeps what came, message by message."""

    def __init__(self, before: Awaitable[object] | None = None) -> None:
        self.messages: list[Message] = []
        self._before = before

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._before is not None:
            await self._before
        while not self.messages or self.messages[-1].get("more_body"):
            self.messages.append(await receive())
        if not self.is_cut_off:
            await PlainTextResponse(str(len(self.body)))(scope, receive, send)

    @property
    def is_cut_off(self) -> bool:
        return self.messages[-1]["type"] == "http.disconnect"

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


@asynccontextmanager
async def serving(
    app: ASGIApp, context: ssl.SSLContext | None = None, state: ServerState | None = None
) -> AsyncIterator[tuple[str, int]]:
    config = uvicorn.Config("none:none", interface="asgi3", http=Connection, log_config=None, lifespan="off")
    config.loaded, config.loaded_app, config.ws_protocol_class = True, app, None
    shared = state or ServerState()
    loop = asyncio.get_running_loop()
    limits = ConnectionLimits(connections=4, head_seconds=5)
    buffer = memoryview(bytearray(PIECE_BYTES))

    def connection() -> asyncio.Protocol:
        return Connection(config, shared, {}, limits, buffer, loop)

    begin = connection if context is None else Handshakes(context, connection, seconds=5, room=lambda: 4).begin
    server = await loop.create_server(begin, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()
        for connection in [*shared.connections]:
            connection.transport.abort()
        await asyncio.sleep(0)


def talk(app: ASGIApp, words: Talk, *, context: ssl.SSLContext | None = None) -> None:
    async def run() -> None:
        client = None
        if context is not None:
            client = ssl.create_default_context()
            client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        async with serving(app, context) as address:
            reader, writer = await asyncio.open_connection(*address, ssl=client)
            try:
                async with asyncio.timeout(20):
                    await words(reader, writer)
            finally:
                writer.transport.abort()
                await asyncio.sleep(0)

    asyncio.run(run())


def head(length: int, *more: str, method: str = "POST /a", version: str = "1.1") -> bytes:
    lines = [f"{method} HTTP/{version}", "Host: a", f"Content-Length: {length}", *more, "", ""]
    return "\r\n".join(lines).encode()


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Its status line and its body."""
    top = await reader.readuntil(b"\r\n\r\n")
    length = int(top.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return top.partition(b"\r\n")[0], await reader.readexactly(length)


def digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


def cut(data: bytes, size: int) -> Iterable[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


class TestConnection:
    @pytest.mark.parametrize(("length", "size"), [(2000, 1), (10_000, 7), (len(BODY), 70_001), (len(BODY), len(BODY))])
    @pytest.mark.parametrize("is_secret", [False, True], ids=["plain", "tls"])
    def test_in_pieces_of_any_size(self, tmp_path: Path, length: int, size: int, is_secret: bool) -> None:
        async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # The second finds the connection as the first left it.
            for body in (BODY[:length], BODY[-length:]):
                writer.write(head(length))
                for piece in cut(body, size):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                assert await answer(reader) == (b"HTTP/1.1 200 OK", digest(body))

        context = None
        if is_secret:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate(tmp_path))
        talk(digested, words, context=context)

    @pytest.mark.parametrize("last", [1, 1000, 300_000, MIB])
    def test_the_next_request_in_one_piece_with_the_end(self, last: int) -> None:
        async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(head(len(BODY)) + BODY[:-last])
            await writer.drain()
            writer.write(BODY[-last:] + head(5) + b"hello" + head(0))
            for body in (BODY, b"hello", b""):
                assert await answer(reader) == (b"HTTP/1.1 200 OK", digest(body))

        talk(digested, words)

    def test_connections_that_send_at_once_do_not_mix(self) -> None:
        async def upload(address: tuple[str, int], body: bytes) -> None:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(head(len(body)))
            for piece in cut(body, 70_001):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            assert await answer(reader) == (b"HTTP/1.1 200 OK", digest(body))
            writer.close()

        async def run() -> None:
            async with serving(digested) as address, asyncio.timeout(20):
                await asyncio.gather(upload(address, BODY), upload(address, BODY[::-1]))

        asyncio.run(run())

    def test_chunked(self) -> None:
        async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in cut(BODY, 200_000):
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            writer.write(b"0\r\n\r\n" + head(5) + b"hello")
            assert await answer(reader) == (b"HTTP/1.1 200 OK", digest(BODY))
            assert await answer(reader) == (b"HTTP/1.1 200 OK", digest(b"hello"))

        talk(digested, words)

    def test_http_1_0(self) -> None:
        async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(head(len(BODY), version="1.0") + BODY)
            assert (await answer(reader))[1] == digest(BODY)
            assert await reader.read() == b""

        talk(digested, words)

    def test_a_client_that_asks_whether_it_may_send(self) -> None:
        async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for _ in range(2):
                writer.write(head(len(BODY), "Expect: 100-continue"))
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
                writer.write(BODY)
                assert await answer(reader) == (b"HTTP/1.1 200 OK", digest(BODY))

        talk(digested, words)

    def test_answered_before_the_body_came(self) -> None:
        async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(head(len(BODY), method="POST /first"))
            assert await answer(reader) == (b"HTTP/1.1 200 OK", b"/first")
            for piece in cut(BODY, 100_000):
                writer.write(piece)
                await writer.drain()
            writer.write(head(0, method="POST /second"))
            assert await answer(reader) == (b"HTTP/1.1 200 OK", b"/second")

        talk(unread, words)

    @pytest.mark.parametrize("lengths", ["x", "-5", "5\r\nContent-Length: 6", "5, 6", "1" * 21])
    def test_no_length_that_can_be_understood(self, lengths: str) -> None:
        async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(f"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {lengths}\r\n\r\nhello".encode())
            assert (await answer(reader))[0] == b"HTTP/1.1 400 Bad Request"
            assert await reader.read() == b""

        talk(unread, words)

    def test_more_than_was_declared_is_no_part_of_the_body(self) -> None:
        async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(head(len(BODY)) + BODY + b"and more\r\n\r\n")
            assert await answer(reader) == (b"HTTP/1.1 200 OK", digest(BODY))
            assert (await answer(reader))[0] == b"HTTP/1.1 400 Bad Request"

        talk(digested, words)

    def test_a_client_that_leaves_half_way(self) -> None:
        app = Counting()

        async def run() -> None:
            state = ServerState()
            async with serving(app, state=state) as address:
                _, writer = await asyncio.open_connection(*address)
                writer.write(head(len(BODY)) + BODY[:MIB])
                await writer.drain()
                await until(lambda: len(app.body) == MIB)
                writer.close()
                await writer.wait_closed()
                await until(lambda: app.is_cut_off and not state.connections)

        asyncio.run(run())
        assert app.body == BODY[:MIB]

    def test_no_more_is_read_than_a_busy_application_will_want(self) -> None:
        async def run() -> None:
            state, may_read = ServerState(), asyncio.Event()
            app = Counting(may_read.wait())
            async with serving(app, state=state) as address:
                reader, writer = await asyncio.open_connection(*address)
                writer.write(head(64 * MIB))
                await until(lambda: len(state.tasks) == 1)
                (connection,) = state.connections
                assert isinstance(connection, Connection)
                writer.write(bytes(64 * MIB))
                await until(lambda: connection.flow.read_paused)
                assert AHEAD_BYTES <= len(connection.cycle.body) < AHEAD_BYTES + PIECE_BYTES
                may_read.set()
                assert await answer(reader) == (b"HTTP/1.1 200 OK", b"%d" % (64 * MIB))
                writer.close()
                await writer.wait_closed()

        asyncio.run(run())

    def test_a_large_body_comes_in_few_messages(self) -> None:
        app = Counting()

        async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(head(64 * MIB) + bytes(64 * MIB))
            assert await answer(reader) == (b"HTTP/1.1 200 OK", b"%d" % (64 * MIB))

        talk(app, words)
        assert len(app.messages) < 64 * 2
        assert not app.messages[-1]["more_body"]

    def test_a_small_piece_is_handed_on_though_no_more_comes(self) -> None:
        app = Counting()

        async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(head(10))
            for letter in b"123456789":
                writer.write(bytes([letter]))
                await until(lambda letter=letter: app.body.endswith(bytes([letter])))  # type: ignore[misc]
            writer.write(b"0")
            assert await answer(reader) == (b"HTTP/1.1 200 OK", b"10")

        talk(app, words)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.001)


class TestSkipMiddle:
    def asked(self, *framing: tuple[str, str]) -> h11.Connection:
        connection = h11.Connection(h11.SERVER)
        request = h11.Request(method="POST", target="/", headers=[("Host", "a"), *framing])
        connection.receive_data(h11.Connection(h11.CLIENT).send(request) or b"")
        assert isinstance(connection.next_event(), h11.Request)
        return connection

    def test_h11_goes_on_where_the_middle_ends(self) -> None:
        connection = self.asked(("Content-Length", "10"))
        assert skip_middle(connection, 4)
        assert skip_middle(connection, 3)
        connection.receive_data(b"end")
        assert connection.next_event() == h11.Data(data=b"end")
        assert isinstance(connection.next_event(), h11.EndOfMessage)

    @pytest.mark.parametrize("length", [10, 11])
    def test_the_end_is_for_h11(self, length: int) -> None:
        assert not skip_middle(self.asked(("Content-Length", "10")), length)

    def test_chunks_are_for_h11(self) -> None:
        assert not skip_middle(self.asked(("Transfer-Encoding", "chunked")), 4)

    def test_heads_are_for_h11(self) -> None:
        assert not skip_middle(h11.Connection(h11.SERVER), 4)
        done = self.asked(("Content-Length", "1"))
        done.receive_data(b"x")
        assert [type(done.next_event()) for _ in range(2)] == [h11.Data, h11.EndOfMessage]
        assert not skip_middle(done, 1)

    def test_not_while_h11_has_something_unread(self) -> None:
        connection = self.asked(("Content-Length", "10"))
        connection.receive_data(b"abc")
        assert not skip_middle(connection, 4)


class TestPieces:
    def test_one_is_not_copied(self) -> None:
        piece = bytes(10_000)
        assert bytes(Pieces(piece)) is piece

    def test_none(self) -> None:
        assert (len(Pieces(b"")), bytes(Pieces(b""))) == (0, b"")

    def test_small_and_large_ones_in_their_order(self) -> None:
        pieces, found = Pieces(b"a"), b"a"
        for piece in (b"", b"b", b"c", BODY[:10_000], b"d", b"e", BODY[10_000:20_000], BODY[20_000:30_000]):
            pieces += piece
            found += piece
        assert (len(pieces), bytes(pieces)) == (len(found), found)
