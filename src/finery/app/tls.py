"""Loads the server's TLS certificate and key, and limits the TLS handshakes that are under way."""

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
    if b"-----BEGIN CERTIFICATE-----" not in _read(CERTIFICATE, certificate):
        raise TlsRefused(f"{CERTIFICATE}: {certificate} holds no certificate in PEM")
    text = _read(KEY, key)
    if b"PRIVATE KEY-----" not in text:
        raise TlsRefused(f"{KEY}: {key} holds no private key in PEM")
    # OpenSSL would ask for the password on the terminal, and wait.
    if b"ENCRYPTED" in text:
        raise TlsRefused(f"{KEY}: the key in {key} is encrypted; give one without a password, readable by us alone")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsRefused(f"{KEY}: the key in {key} is not that of the certificate in {certificate}") from error
        message = f"{CERTIFICATE}, {KEY}: {certificate} and {key} cannot be used together: {error.reason}"
        raise TlsRefused(message) from error
    return context


class Handshakes:
    """Limits the handshakes that are under way. asyncio's own TLS server reports a client only when its handshake is
    over: clients that never finish theirs could not be counted, though each takes a descriptor."""

    def __init__(
        self,
        context: ssl.SSLContext,
        make_protocol: Callable[[], asyncio.Protocol],
        *,
        seconds: float,
        room: Callable[[], int],
    ) -> None:
        """`room` returns how many there may be now."""
        self._context = context
        self._make_protocol = make_protocol
        self._seconds = seconds
        self._room = room
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self) -> asyncio.Protocol:
        """Give this to a server in place of the factory of its protocols."""
        return Handshake(self)

    def is_full(self) -> bool:
        return len(self._tasks) >= self._room()

    def add(self, transport: asyncio.Transport, handshake: "Handshake") -> None:
        task = asyncio.get_running_loop().create_task(self._run(transport, handshake))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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
    """Stands in for the connection's protocol until the handshake is over, and keeps the data that came in one piece
    with its end."""

    def __init__(self, handshakes: Handshakes) -> None:
        self._handshakes = handshakes
        self._early = bytearray()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if self._handshakes.is_full():
            transport.abort()
            return
        # Nothing may be read before TLS decrypts it.
        transport.pause_reading()
        self._handshakes.add(transport, self)

    def data_received(self, data: bytes) -> None:
        self._early += data

    def hand_over(self, transport: asyncio.Transport, successor: asyncio.Protocol) -> None:
        transport.set_protocol(successor)
        successor.connection_made(transport)
        if self._early:
            successor.data_received(bytes(self._early))


def _read(variable: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsRefused(f"{variable}: {path} cannot be read: {error.strerror}") from error
