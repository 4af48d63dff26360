"""What is refused before any route is asked: foreign hosts and origins, disguised JSON, bodies past the limit."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from finery.http.problems import Problem, RequestRefused

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
FILE_TYPES = ("multipart/form-data", "application/octet-stream")
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class GuardSettings:
    hosts: frozenset[str] = frozenset()
    """Allowed in the Host header beside this machine's own names."""
    origins: frozenset[str] = frozenset()
    """Allowed in the Origin header beside the one that the Host header names."""
    max_json_bytes: int = 16 * 2**20
    max_upload_bytes: int = 8 * 2**30
    render: Callable[[Scope, Problem], Response] = lambda _, problem: Response(status_code=problem.status)


class Guard:
    def __init__(self, app: ASGIApp, settings: GuardSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        sender = _with_security_headers(send)
        problem = self._problem(scope, headers)
        if problem is not None:
            await self._settings.render(scope, problem)(scope, receive, sender)
            return
        limit = self._limit(headers)
        await self._app(scope, _limited(receive, limit), sender)

    def _problem(self, scope: Scope, headers: Headers) -> Problem | None:
        if not self._is_known_host(headers.get("host", "")):
            return Problem(421, "unknown_host", "this server is not known by that name; see FINERY_ALLOWED_HOSTS")
        if scope["method"] in SAFE_METHODS:
            return None
        if not self._is_own_origin(headers):
            return Problem(403, "foreign_origin", "another site's page may not change anything here")
        if not _is_declared(headers):
            return Problem(415, "unsupported_media_type", "send JSON, with the header Content-Type: application/json")
        if _declared_length(headers) > self._limit(headers):
            return _too_large(self._limit(headers))
        return None

    def _is_known_host(self, value: str) -> bool:
        try:
            name = urlsplit(f"//{value}").hostname
        except ValueError:
            return False
        return name is not None and (name in LOCAL_HOSTS or name.endswith(".localhost") or name in self._settings.hosts)

    def _is_own_origin(self, headers: Headers) -> bool:
        """Programs send no Origin; a browser always does on what may change something."""
        origin = headers.get("origin")
        if origin is None or origin in self._settings.origins:
            return True
        try:
            return urlsplit(origin).netloc == headers.get("host")
        except ValueError:
            return False

    def _limit(self, headers: Headers) -> int:
        is_file = _media_type(headers) in FILE_TYPES
        return self._settings.max_upload_bytes if is_file else self._settings.max_json_bytes


def _with_security_headers(send: Send) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sender


def _limited(receive: Receive, limit: int) -> Receive:
    """A chunked body declares no length: it is counted as it comes."""
    received = 0

    async def receiver() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > limit:
                raise RequestRefused(_too_large(limit))
        return message

    return receiver


def _too_large(limit: int) -> Problem:
    return Problem(413, "too_large", f"the body is larger than {limit} bytes", headers={"Connection": "close"})


def _is_declared(headers: Headers) -> bool:
    """A page of another site can send text/plain without asking; JSON it cannot."""
    media_type = _media_type(headers)
    if media_type:
        return media_type in FILE_TYPES or media_type == "application/json" or media_type.endswith("+json")
    return not _has_body(headers)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _declared_length(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isdigit() else 0


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def host_names(values: Iterable[str]) -> frozenset[str]:
    """As they are compared with a Host header: lower case, without a port."""
    return frozenset(name for value in values if (name := urlsplit(f"//{value.strip()}").hostname))
