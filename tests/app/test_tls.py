import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from finery.app.connections import MAX_REJECTED
from finery.app.tls import Handshakes, TlsRefused, tls_context
from tests.app.certificates import certificate
from tests.app.threaded import ThreadedServer
from tests.servers import RunningServer


class TestTlsContext:
    def test_nothing_below_tls_1_2(self, tmp_path: Path) -> None:
        context = tls_context(*certificate(tmp_path))
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2

    def test_missing_and_unreadable_files(self, tmp_path: Path) -> None:
        made, key = certificate(tmp_path)
        with pytest.raises(TlsRefused, match=r"^FINERY_TLS_CERTIFICATE: .*none.pem cannot be read: No such file"):
            tls_context(tmp_path / "none.pem", key)
        with pytest.raises(TlsRefused, match=r"^FINERY_TLS_KEY: .* cannot be read: Is a directory"):
            tls_context(made, tmp_path)

    def test_files_that_hold_something_else(self, tmp_path: Path) -> None:
        made, key = certificate(tmp_path)
        with pytest.raises(TlsRefused, match=r"^FINERY_TLS_CERTIFICATE: .* holds no certificate"):
            tls_context(key, key)
        with pytest.raises(TlsRefused, match=r"^FINERY_TLS_KEY: .* holds no private key"):
            tls_context(made, made)

    def test_another_certificates_key(self, tmp_path: Path) -> None:
        made, _ = certificate(tmp_path)
        _, other = certificate(tmp_path, "other")
        with pytest.raises(TlsRefused, match=r"^FINERY_TLS_KEY: the key in .* is not that of the certificate"):
            tls_context(made, other)

    def test_an_encrypted_key_is_not_asked_for_on_the_terminal(self, tmp_path: Path) -> None:
        with pytest.raises(TlsRefused, match=r"^FINERY_TLS_KEY: .* is encrypted"):
            tls_context(*certificate(tmp_path, password=b"secret"))

    def test_broken_pem(self, tmp_path: Path) -> None:
        made, key = certificate(tmp_path)
        made.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
        with pytest.raises(TlsRefused, match="cannot be used together"):
            tls_context(made, key)


ROOM = 2


class Echo(asyncio.Protocol):
    def __init__(self) -> None:
        self.told: list[str] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.told.append("made")
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data.upper())

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")


class Serving:
    def __init__(self, context: ssl.SSLContext) -> None:
        self.made: list[Echo] = []
        self._context = context

    def run(self, words: Callable[[], Awaitable[None]], *, seconds: float = 5.0) -> None:
        async def run() -> None:
            self.handshakes = Handshakes(self._context, self._make, seconds=seconds, room=lambda: ROOM)
            server = await asyncio.get_running_loop().create_server(self.handshakes.begin, "127.0.0.1", 0)
            self._address = server.sockets[0].getsockname()
            async with server, asyncio.timeout(20):
                await words()

        asyncio.run(run())

    async def connect(self) -> socket.socket:
        client = socket.socket()
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, self._address)
        return client

    def _make(self) -> Echo:
        self.made.append(Echo())
        return self.made[-1]


class TlsWire:
    """A client that sends when it is asked to, not when it could."""

    def __init__(self, client: socket.socket) -> None:
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        self._client = client
        self._read, self._written = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = trusting.wrap_bio(self._read, self._written)

    async def shake(self) -> None:
        """Until the client is content; its last word stays unsent."""
        while True:
            try:
                return self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._exchange()

    async def say(self, said: bytes) -> None:
        self._tls.write(said)
        await asyncio.get_running_loop().sock_sendall(self._client, self._written.read())

    async def ask(self, said: bytes) -> bytes:
        await self.say(said)
        while True:
            try:
                return self._tls.read(1000)
            except ssl.SSLWantReadError:
                await self._exchange()

    async def _exchange(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._client, self._written.read())
        self._read.write(await loop.sock_recv(self._client, 65536))


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    return Serving(tls_context(*certificate(tmp_path)))


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():
            await asyncio.sleep(0.005)


class TestHandshakes:
    def test_what_comes_in_one_piece_with_its_end_is_not_lost(self, serving: Serving) -> None:
        async def words() -> None:
            with await serving.connect() as client:
                wire = TlsWire(client)
                await wire.shake()
                # The first is sent with the client's last word of the handshake.
                for said in (b"early", b"late"):
                    assert await wire.ask(said) == said.upper()
            await until(lambda: [each.told for each in serving.made] == [["made", "lost"]])

        serving.run(words)

    def test_of_a_client_that_leaves_with_its_last_word(self, serving: Serving) -> None:
        async def words() -> None:
            with await serving.connect() as client:
                wire = TlsWire(client)
                await wire.shake()
                await wire.say(b"early")
            await until(lambda: [each.told for each in serving.made] == [["made", "lost"]])

        serving.run(words)

    def test_one_that_does_not_go_on(self, serving: Serving) -> None:
        async def words() -> None:
            with await serving.connect() as client:
                await asyncio.get_running_loop().sock_sendall(client, b"\x16\x03\x01")
                assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
            assert not serving.made

        serving.run(words, seconds=0.1)

    def test_one_too_many(self, serving: Serving) -> None:
        async def words() -> None:
            held = [await serving.connect() for _ in range(ROOM)]
            with await serving.connect() as surplus:
                assert await asyncio.get_running_loop().sock_recv(surplus, 1) == b""
            for each in held:
                each.close()
            await until(lambda: not serving.handshakes.is_full())
            with await serving.connect() as client:
                wire = TlsWire(client)
                await wire.shake()
                assert await wire.ask(b"x") == b"X"

        serving.run(words)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("home")
    made, key = certificate(home)
    server = RunningServer(
        home,
        FINERY_TLS_CERTIFICATE=str(made),
        FINERY_TLS_KEY=str(key),
        FINERY_ALLOWED_HOSTS="gpu.lan",
        FINERY_HEAD_TIMEOUT_SECONDS="0.3",
    )
    server.tls = ssl.create_default_context(cafile=str(made))
    with server:
        yield server


class TestServing:
    def test_over_tls_alone(self, server: RunningServer) -> None:
        assert server.tls is not None
        with httpx.Client(base_url=server.url, verify=server.tls, trust_env=False) as client:
            answer = client.get("/healthz", headers={"Host": "gpu.lan"})
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
            assert f"Finery is at {server.url}/ui/ " in server.log.read_text()
            with pytest.raises(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{server.port}/healthz", trust_env=False)
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as silent:
                assert silent.recv(1) == b""
        assert server.url.startswith("https://")

    def test_handshakes_that_do_not_go_on_are_counted(self, home: Path) -> None:
        made, key = certificate(home)
        with ThreadedServer(home, tls=tls_context(made, key), max_connections=1) as server:
            held = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(1 + MAX_REJECTED)]
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as surplus:
                assert surplus.recv(1) == b""
            for client in held:
                client.close()

    def test_an_old_protocol_is_refused(self, server: RunningServer, tmp_path: Path) -> None:
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
            with pytest.raises(ssl.SSLError):
                old.wrap_socket(plain, server_hostname="127.0.0.1")
