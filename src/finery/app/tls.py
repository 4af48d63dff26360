"""The server's certificate and key, and the handshakes before its connections."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

CERTIFICATE = "FINERY_TLS_CERTIFICATE"
KEY = "FINERY_TLS_KEY"
HANDSHAKE_SECONDS = 10.0


class TlsRefused(Exception):
    """The message names the variable, the file and what is wrong with it."""


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and later, HTTP/1.1. Raises TlsRefused."""
    _check_certificate(certificate)
    _check_key(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise TlsRefused(_mismatch(error, certificate, key)) from error
    return context


class Handshakes:
    """Those that go on, counted. asyncio's own TLS server tells of a client when its handshake is over: of those who
    never go on with theirs nobody would know, though each has a descriptor."""

    def __init__(
        self,
        context: ssl.SSLContext,
        make_protocol: Callable[[], asyncio.Protocol],
        *,
        seconds: float,
        room: Callable[[], int],
    ) -> None:
        """`room`: how many there may be now."""
        self._context = context
        self._make_protocol = make_protocol
        self._seconds = seconds
        self._room = room
        self._going_on: set[asyncio.Task[None]] = set()

    def begin(self) -> asyncio.Protocol:
        """In a server's hands, in place of what makes its protocols."""
        return Handshake(self)

    def is_full(self) -> bool:
        return len(self._going_on) >= self._room()

    def add(self, transport: asyncio.Transport, handshake: "Handshake") -> None:
        task = asyncio.get_running_loop().create_task(self._run(transport, handshake))
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)

    async def _run(self, transport: asyncio.Transport, handshake: "Handshake") -> None:
        try:
            secure = await asyncio.get_running_loop().start_tls(
                transport, handshake, self._context, server_side=True, ssl_handshake_timeout=self._seconds
            )
        except OSError:
            return
        if secure is not None:
            handshake.hand_over(secure, self._make_protocol())


class Handshake(asyncio.Protocol):
    """Stands in for the connection's protocol until the handshake is over, and keeps what came in one piece with its
    end."""

    def __init__(self, handshakes: Handshakes) -> None:
        self._handshakes = handshakes
        self._early = bytearray()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if self._handshakes.is_full():
            transport.abort()
            return
        # Nothing is to be read before TLS stands in between.
        transport.pause_reading()
        self._handshakes.add(transport, self)

    def data_received(self, data: bytes) -> None:
        self._early += data

    def hand_over(self, transport: asyncio.Transport, successor: asyncio.Protocol) -> None:
        transport.set_protocol(successor)
        successor.connection_made(transport)
        if self._early:
            successor.data_received(bytes(self._early))


def _check_certificate(path: Path) -> None:
    if b"-----BEGIN CERTIFICATE-----" not in _read(CERTIFICATE, path):
        raise TlsRefused(f"{CERTIFICATE}: {path} holds no certificate in PEM")


def _check_key(path: Path) -> None:
    text = _read(KEY, path)
    if b"PRIVATE KEY-----" not in text:
        raise TlsRefused(f"{KEY}: {path} holds no private key in PEM")
    # OpenSSL would ask for the password on the terminal, and wait.
    if b"ENCRYPTED" in text:
        raise TlsRefused(f"{KEY}: the key in {path} is encrypted; give one without a password, readable by us alone")


def _read(variable: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsRefused(f"{variable}: {path} cannot be read: {error.strerror}") from error


def _mismatch(error: ssl.SSLError, certificate: Path, key: Path) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{KEY}: the key in {key} is not that of the certificate in {certificate}"
    return f"{CERTIFICATE}, {KEY}: {certificate} and {key} cannot be used together: {error.reason}"
