"""Sends HTTP requests to one server: address, key, time limits, retries, and answers parsed or raised as errors."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from finery.client.address import checked_key, checked_url, is_loopback, warn_of_plain_http
from finery.client.credentials import stored_key
from finery.client.errors import FineryError, Issue, ServerUnreachable
from finery.client.responses import ErrorAnswer
from finery.client.tls_problems import speaks_tls, tls_problem

DEFAULT_URL = "http://127.0.0.1:8001"
PREFIX = "/api/v1"

CHUNK_BYTES = 1 << 20
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
LONG_ANSWER_SECONDS = 600.0

# How many seconds to wait before each further attempt at a request that may be repeated.
RETRY_DELAYS = (0.2, 0.5, 1.0)
RETRY_STATUSES = frozenset({429, 502, 503, 504})

Parameters = Mapping[str, str | int | float | None]
Parsed = TypeVar("Parsed", bound=BaseModel)
Value = TypeVar("Value")


class Transport:
    def __init__(self, *, url: str | None = None, api_key: str | None = None) -> None:
        """Raises BadConnection for a malformed address or key."""
        self.url = checked_url(url or os.environ.get("FINERY_URL") or DEFAULT_URL)
        key = checked_key(_default_key(self.url) if api_key is None else api_key)
        if key:
            warn_of_plain_http(self.url)
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            transport=_direct(self.url) if is_loopback(self.url) else None,
            # Never to be changed: a redirect must not take the key to another server.
            follow_redirects=False,
        )

    def close(self) -> None:
        self._http.close()

    def get(
        self,
        kind: type[Parsed],
        path: str,
        parameters: Parameters | None = None,
        *,
        timeout: float = ANSWER_SECONDS,
    ) -> Parsed:
        return parse(kind, self.request("GET", path, parameters=parameters, timeout=timeout, repeatable=True))

    def post(
        self,
        kind: type[Parsed],
        path: str,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = ANSWER_SECONDS,
        repeatable: bool = False,
    ) -> Parsed:
        answer = self.request("POST", path, body=body, headers=headers, timeout=timeout, repeatable=repeatable)
        return parse(kind, answer)

    def request(
        self,
        method: str,
        path: str,
        *,
        parameters: Parameters | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = ANSWER_SECONDS,
        repeatable: bool = False,
    ) -> httpx.Response:
        """Sends a request, up to four times where `repeatable` says that doing it twice is the same as once.

        Raises FineryError for what the server refuses, and ServerUnreachable.
        """
        limit = httpx.Timeout(timeout, connect=CONNECT_SECONDS)
        request = self._http.build_request(
            method, path, params=without_none(parameters or {}), json=body, headers=headers, timeout=limit
        )
        for delay in (*RETRY_DELAYS, None) if repeatable else (None,):
            try:
                answer = self._http.send(request)
            except httpx.TransportError as error:
                # A refused connection is reported at once: nothing listens there, so a short wait would not help.
                if delay is None or isinstance(error, httpx.ConnectError):
                    raise self._unreachable(error) from error
            else:
                if delay is None or answer.status_code not in RETRY_STATUSES:
                    return checked(answer)
                delay = max(delay, _retry_after(answer))
            time.sleep(delay)
        raise AssertionError("the last attempt returns or raises")

    def upload(self, kind: type[Parsed], path: str, file: Path, *, fields: Mapping[str, str] | None = None) -> Parsed:
        """Posts `file` in a multipart form, with `fields` beside it."""
        limit = httpx.Timeout(LONG_ANSWER_SECONDS, connect=CONNECT_SECONDS)
        with file.open("rb") as content:
            try:
                answer = self._http.post(path, files={"file": (file.name, content)}, data=fields, timeout=limit)
            except httpx.TransportError as error:
                raise self._unreachable(error) from error
        return parse(kind, checked(answer))

    def download(self, path: str, target: Path, parameters: Parameters | None = None) -> None:
        """Writes the answer's body to `target`, which appears only when it is whole."""
        partial = target.with_name(f".{target.name}.partial")
        try:
            with self.stream("GET", path, parameters=parameters) as answer, partial.open("wb") as file:
                for chunk in answer.iter_bytes(CHUNK_BYTES):
                    file.write(chunk)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        parameters: Parameters | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        read_timeout: float = LONG_ANSWER_SECONDS,
    ) -> Iterator[httpx.Response]:
        """Yields an answer whose body is read piece by piece. Raises ServerUnreachable also while it is read."""
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, read=read_timeout)
        try:
            with self._http.stream(
                method, path, params=without_none(parameters or {}), json=body, headers=headers, timeout=timeout
            ) as answer:
                if answer.is_error:
                    answer.read()
                yield checked(answer)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: httpx.TransportError) -> ServerUnreachable:
        problem = tls_problem(self.url, error)
        return ServerUnreachable(self.url, str(error) or type(error).__name__, problem=problem)


def _direct(url: str) -> httpx.HTTPTransport:
    """Returns a transport without a proxy: one that the environment names for the internet cannot reach loopback.

    The environment's SSL_CERT_FILE counts as elsewhere.
    """
    # Without TLS there is no certificate to check, and to read those that are known takes most of a command.
    return httpx.HTTPTransport(verify=url.startswith("https://"))


def api_path(*segments: str) -> str:
    """Returns `/api/v1/…` with each segment escaped, so that no id can lead to another route."""
    return "/".join((PREFIX, *(quote(segment, safe="") for segment in segments)))


def checked(answer: httpx.Response) -> httpx.Response:
    """Returns the answer. Raises FineryError when its status tells of an error."""
    if answer.is_success:
        return answer
    try:
        detail = ErrorAnswer.model_validate_json(answer.content).error
    except ValidationError:
        message = answer.text.strip()[:300] or f"the server answered {answer.status_code}"
        if answer.status_code == 400 and "HTTPS" in answer.text and answer.url.scheme == "http":
            # Proxies say so in plain HTTP.
            message = speaks_tls(f"http://{answer.url.netloc.decode()}")
        raise FineryError(code="unexpected_answer", message=message, status=answer.status_code) from None
    issues = [Issue(issue.field, issue.message, issue.line, issue.code) for issue in detail.errors]
    raise FineryError(code=detail.code, message=detail.message, issues=issues, status=answer.status_code)


def parse(kind: type[Parsed], answer: httpx.Response) -> Parsed:
    """Returns the body as `kind`. Raises FineryError for what no Finery server would answer."""
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError as error:
        remedy = "check the address, and that client and server are of one version"
        message = f"{answer.url} did not answer as a Finery server does: {remedy}"
        raise FineryError(code="unexpected_answer", message=message, status=answer.status_code) from error


def _default_key(url: str) -> str:
    """Returns the key of the environment, or else the one that `finery login` stored for this very server."""
    if key := os.environ.get("FINERY_API_KEY"):
        return key
    stored = stored_key(url)
    return stored.key if stored else ""


def without_none(values: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if value is not None}


def _retry_after(answer: httpx.Response) -> float:
    """Returns the seconds that the server asks to wait, five at most; a date counts as nothing."""
    text = answer.headers.get("Retry-After", "")
    return min(float(text), 5.0) if text.isdecimal() else 0.0
