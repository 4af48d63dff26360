"""A POST over a connection of its own, with one time limit for all of it.

The address that is connected to is the one that was checked, so that a name which changes its mind in between leads
nowhere. No proxy, no redirect, no cookie.
"""

import email.utils
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpcore
import httpx

from finery.kit.clock import epoch_now
from finery.kit.destinations import Destinations
from finery.kit.http_post import Answer, PostFailed

EXCERPT_BYTES = 1024
ADDRESSES_TRIED = 4

Resolver = Callable[[str, int], list[str]]
"""The addresses of a host, for a port; raises OSError."""


def resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class Poster:
    """Usable from several threads at once."""

    def __init__(self, destinations: Destinations, *, seconds: float, resolver: Resolver = resolve) -> None:
        self._destinations = destinations
        self._seconds = seconds
        self._resolver = resolver

    def post(self, address: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        url = httpx.URL(address)
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        deadline = _Deadline(self._seconds)
        backend = _CheckedBackend(self._destinations, self._resolver, deadline)
        sent = {**headers, "Host": url.netloc.decode("ascii"), "Connection": "close", "Accept": "*/*"}
        try:
            with (
                httpcore.ConnectionPool(_tls(), network_backend=backend) as pool,
                pool.stream("POST", target, headers=[*sent.items()], content=body) as response,
            ):
                return _answer_of(response)
        except httpcore.TimeoutException as error:
            raise PostFailed(f"it did not answer within {self._seconds:g} s") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise PostFailed(str(error) or type(error).__name__) from error


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds. Raises TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _CheckedBackend(httpcore.NetworkBackend):
    """Resolves a name, and connects to those of its addresses that are allowed."""

    def __init__(self, destinations: Destinations, resolver: Resolver, deadline: _Deadline) -> None:
        self._destinations = destinations
        self._resolver = resolver
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        with _told(httpcore.ConnectTimeout, httpcore.ConnectError):
            found = _within(self._deadline, lambda: self._resolver(host, port))
            return _Stream(self._connect(self._checked(found), port), self._deadline)

    def _checked(self, addresses: list[str]) -> list[str]:
        refusals = {address: self._destinations.refusal(address) for address in addresses}
        allowed = [address for address, refusal in refusals.items() if refusal is None]
        if not allowed:
            why = ", ".join(f"{address} is {refusal}" for address, refusal in refusals.items())
            raise PostFailed(f"its address is not allowed: {why or 'it has none'}")
        return allowed[:ADDRESSES_TRIED]

    def _connect(self, addresses: list[str], port: int) -> socket.socket:
        for address in addresses[:-1]:
            try:
                return socket.create_connection((address, port), self._deadline.left() / 2)
            except OSError:
                continue
        return socket.create_connection((addresses[-1], port), self._deadline.left())


class _Stream(httpcore.NetworkStream):
    """Each wait ends at the deadline, however little at a time the other side takes or gives."""

    def __init__(self, connected: socket.socket, deadline: _Deadline) -> None:
        self._socket = connected
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _told(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(self._deadline.left())
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        with _told(httpcore.WriteTimeout, httpcore.WriteError):
            while rest:
                self._socket.settimeout(self._deadline.left())
                rest = rest[self._socket.send(rest) :]

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        with _told(httpcore.ConnectTimeout, httpcore.ConnectError):
            try:
                self._socket.settimeout(self._deadline.left())
                return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname), self._deadline)
            except OSError:
                self._socket.close()
                raise

    def get_extra_info(self, info: str) -> None:
        return None


@contextmanager
def _told(timeout: type[Exception], failure: type[Exception]) -> Iterator[None]:
    """In httpcore's words."""
    try:
        yield
    except TimeoutError as error:
        raise timeout(str(error)) from error
    except (OSError, UnicodeError) as error:
        raise failure(str(error)) from error


def _within(deadline: _Deadline, look_up: Callable[[], list[str]]) -> list[str]:
    """The system's look-up of a name knows no time limit; one that takes too long is left to itself."""
    found: list[str] = []
    failed: list[OSError | UnicodeError] = []

    def work() -> None:
        try:
            found.extend(look_up())
        except (OSError, UnicodeError) as error:
            failed.append(error)

    thread = threading.Thread(target=work, name="finery-look-up", daemon=True)
    thread.start()
    thread.join(deadline.left())
    if thread.is_alive():
        raise TimeoutError
    if failed:
        raise failed[0]
    return found


def _answer_of(response: httpcore.Response) -> Answer:
    named = {name.lower(): value for name, value in response.headers}
    return Answer(
        status=response.status,
        excerpt=_begin_of(response).decode("utf-8", "replace"),
        retry_after=_seconds(named.get(b"retry-after", b"").decode("latin-1")),
    )


def _begin_of(response: httpcore.Response) -> bytes:
    """What comes too late, or breaks off, is left out: the status has told all that counts."""
    begin = b""
    try:
        for part in response.iter_stream():
            begin += part[: EXCERPT_BYTES - len(begin)]
            if len(begin) >= EXCERPT_BYTES:
                break
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        pass
    return begin


def _seconds(text: str) -> float | None:
    """Of a Retry-After header: seconds, or a date."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, moment - epoch_now())


@cache
def _tls() -> ssl.SSLContext:
    """The certificates that the client of our own API trusts; SSL_CERT_FILE names others."""
    return httpx.create_ssl_context()
