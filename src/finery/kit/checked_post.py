"""Sends a POST to an untrusted URL (a webhook): checked IP address, one time limit, no proxy, redirect or cookie.

It connects to the very address that was checked, so that a DNS name cannot resolve to another one in between.
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
"""Returns the addresses of a host for a port; raises OSError."""


def resolve(host: str, port: int) -> list[str]:
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


class Poster:
    """Sends POST requests; thread-safe."""

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
        """Returns the remaining seconds. Raises TimeoutError if there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _CheckedBackend(httpcore.NetworkBackend):
    """Resolves a name and connects to one of its allowed addresses."""

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
        with _translated(httpcore.ConnectTimeout, httpcore.ConnectError):
            addresses = _within(self._deadline, lambda: self._resolver(host, port))
            return _Stream(self._connect(self._checked(addresses), port), self._deadline)

    def _checked(self, addresses: list[str]) -> list[str]:
        refusals = {address: self._destinations.refusal(address) for address in addresses}
        allowed = [address for address, refusal in refusals.items() if refusal is None]
        if not allowed:
            why = ", ".join(f"{address} is {refusal}" for address, refusal in refusals.items())
            raise PostFailed(f"its address is not allowed: {why or 'it has none'}")
        return allowed[:ADDRESSES_TRIED]

    def _connect(self, addresses: list[str], port: int) -> socket.socket:
        for address in addresses[:-1]:
            # An address that does not answer may take half of the remaining time, so that the others get a try.
            try:
                return socket.create_connection((address, port), self._deadline.left() / 2)
            except OSError:
                continue
        return socket.create_connection((addresses[-1], port), self._deadline.left())


class _Stream(httpcore.NetworkStream):
    """A connection whose reads and writes all share one deadline, so that a slow peer cannot extend it."""

    def __init__(self, connected: socket.socket, deadline: _Deadline) -> None:
        self._socket = connected
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _translated(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(self._deadline.left())
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        with _translated(httpcore.WriteTimeout, httpcore.WriteError):
            while rest:
                self._socket.settimeout(self._deadline.left())
                rest = rest[self._socket.send(rest) :]

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        with _translated(httpcore.ConnectTimeout, httpcore.ConnectError):
            try:
                self._socket.settimeout(self._deadline.left())
                return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname), self._deadline)
            except OSError:
                self._socket.close()
                raise

    def get_extra_info(self, info: str) -> None:
        return None


@contextmanager
def _translated(timeout: type[Exception], failure: type[Exception]) -> Iterator[None]:
    """Raises the errors of sockets as those of httpcore."""
    try:
        yield
    except TimeoutError as error:
        raise timeout(str(error)) from error
    except (OSError, UnicodeError) as error:
        raise failure(str(error)) from error


def _within(deadline: _Deadline, look_up: Callable[[], list[str]]) -> list[str]:
    """Runs a look-up in a thread: getaddrinfo has no time limit, so one that takes too long is abandoned."""
    addresses: list[str] = []
    failed: list[OSError | UnicodeError] = []

    def work() -> None:
        try:
            addresses.extend(look_up())
        except (OSError, UnicodeError) as error:
            failed.append(error)

    thread = threading.Thread(target=work, name="finery-look-up", daemon=True)
    thread.start()
    thread.join(deadline.left())
    if thread.is_alive():
        raise TimeoutError
    if failed:
        raise failed[0]
    return addresses


def _answer_of(response: httpcore.Response) -> Answer:
    headers = {name.lower(): value for name, value in response.headers}
    return Answer(
        status=response.status,
        excerpt=_start_of_body(response).decode("utf-8", "replace"),
        retry_after=_seconds(headers.get(b"retry-after", b"").decode("latin-1")),
    )


def _start_of_body(response: httpcore.Response) -> bytes:
    """Returns the start of the body. If it breaks off or takes too long, the rest is missing: the status suffices."""
    body = b""
    try:
        for part in response.iter_stream():
            body += part[: EXCERPT_BYTES - len(body)]
            if len(body) >= EXCERPT_BYTES:
                break
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        pass
    return body


def _seconds(text: str) -> float | None:
    """Parses a Retry-After header, which has seconds or a date. Returns seconds; None if it is neither."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, moment - epoch_now())


@cache
def _tls() -> ssl.SSLContext:
    """Returns httpx's default certificates; SSL_CERT_FILE names others. Loading them takes time, so it is cached."""
    return httpx.create_ssl_context()
