"""Middleware that refuses foreign hosts and origins, keys in URLs, undeclared JSON, and too large or slow bodies."""

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from finery.http.addresses import TrustedProxies, is_secure
from finery.http.cors import NULL
from finery.http.problems import NOTHING_HERE, Problem, RequestRefused
from finery.kit.translatable import Translatable

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
FILE_TYPES = ("multipart/form-data", "application/octet-stream")
FORM_TYPE = "application/x-www-form-urlencoded"
CREDENTIAL_NAMES = frozenset({"api_key", "apikey", "access_token", "x_api_key", "key", "token"})
KEY_CHARACTERS = re.compile(r"[A-Za-z0-9_-]{40,}")
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
TRANSPORT_SECURITY = "max-age=31536000"
POLICY_VIOLATION = 1008
WHOLE_ADDRESS = re.compile(rb"https?://([^/]*)(.*)", re.IGNORECASE | re.DOTALL)
LEAST_RATE = 1024
"""Bytes a second that a body must bring on average."""
MAX_PARAMETERS = 200
"""Of a URL's query."""
NO_PROXIES = TrustedProxies()


@dataclass(frozen=True)
class GuardSettings:
    hosts: frozenset[str] = frozenset()
    """Allowed in the Host header beside this machine's own names."""
    origins: frozenset[str] = frozenset()
    """Allowed in the Origin header beside the one that the Host header names; `null` for reading alone."""
    max_json_bytes: int = 16 * 2**20
    max_upload_bytes: int = 8 * 2**30
    body_seconds: float = 60.0
    """How long a body may be waited for; what comes adds the time that it would take at LEAST_RATE."""
    form_prefixes: tuple[str, ...] = ()
    """The paths where a form-encoded body is read: pages of other sites can send one without a preflight request."""
    cookie: str = ""
    """The session's cookie, which other sites' pages may not use, whatever their origin."""
    key_prefix: str = ""
    """Every API key begins with it."""
    proxies: TrustedProxies = NO_PROXIES
    render: Callable[[Scope, Problem], Response] = lambda _, problem: Response(status_code=problem.status)


class Guard:
    def __init__(self, app: ASGIApp, settings: GuardSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._answer_request(HTTPConnection(scope), receive, send)
            case "websocket":
                await self._answer_socket(HTTPConnection(scope), receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _answer_request(self, connection: HTTPConnection, receive: Receive, send: Send) -> None:
        _shorten_address(connection.scope)
        scope, headers = connection.scope, connection.headers
        sender = _with_headers(send, self._security_headers(connection))
        problem = self._problem(connection) or self._body_problem(scope, headers)
        if problem is not None:
            await self._settings.render(scope, problem)(scope, receive, sender)
            return
        receiver = _limited(receive, self._limit(headers), self._settings.body_seconds)
        await self._app(scope, receiver, sender)

    async def _answer_socket(self, connection: HTTPConnection, receive: Receive, send: Send) -> None:
        # A page's script may open a WebSocket to any site, and the browser lets it read what comes.
        scope = connection.scope
        problem = self._problem(connection)
        if problem is None:
            await self._app(scope, receive, send)
        elif "websocket.http.response" in scope.get("extensions", {}):
            await self._settings.render(scope, problem)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})

    def _problem(self, connection: HTTPConnection) -> Problem | None:
        scope = connection.scope
        host = connection.headers.get("host", "")
        if not is_local_host(host) and _host_name(host) not in self._settings.hosts:
            return Problem(
                421, "unknown_host", Translatable("this server is not known by that name; see FINERY_ALLOWED_HOSTS")
            )
        if "\0" in scope["path"]:
            # Some databases' drivers refuse it before they ask the database.
            return Problem(404, "not_found", NOTHING_HERE)
        if b"%00" in scope["query_string"]:
            return Problem(422, "invalid_request", Translatable("an address must not hold the character NUL"))
        if scope["query_string"].count(b"&") >= MAX_PARAMETERS:
            return Problem(
                400,
                "too_many_parameters",
                Translatable("an address has at most {max_parameters} parameters", max_parameters=MAX_PARAMETERS),
            )
        if self._has_key(scope["query_string"]):
            return Problem(
                400,
                "key_in_query",
                Translatable(
                    "an address is kept in logs and histories, so it must not hold a key: make a new key in "
                    "place of this one, and send it in the header Authorization: Bearer KEY"
                ),
            )
        is_null = connection.headers.get("origin") == NULL and NULL in self._settings.origins
        if is_null and (problem := self._null_problem(connection)) is not None:
            return problem
        is_safe = scope["type"] == "http" and scope["method"] in SAFE_METHODS
        if not is_safe and not self._is_own_origin(connection):
            return Problem(403, "foreign_origin", Translatable("another site's page may not change anything here"))
        return None

    def _null_problem(self, connection: HTTPConnection) -> Problem | None:
        # Any site can make such a page, with a sandbox; it must not be able to use what this browser is logged in as.
        if connection.scope["type"] != "http" or connection.scope["method"] != "GET":
            message = Translatable(
                "a page from a file may only read here; serve it from an origin that FINERY_ALLOWED_ORIGINS names"
            )
            return Problem(403, "foreign_origin", message)
        if self._settings.cookie in connection.cookies:
            message = Translatable(
                "a page from a file must not send the session; send a key in the header Authorization: Bearer KEY"
            )
            return Problem(403, "foreign_origin", message)
        return None

    def _body_problem(self, scope: Scope, headers: Headers) -> Problem | None:
        if scope["method"] in SAFE_METHODS:
            return None
        if not self._is_declared(scope, headers):
            message = Translatable(
                "send JSON, with the header Content-Type: application/json; a file as multipart/form-data"
            )
            return Problem(415, "unsupported_media_type", message)
        length, limit = headers.get("content-length", "0"), self._limit(headers)
        return _too_large(limit) if length.isdigit() and int(length) > limit else None

    def _has_key(self, query: bytes) -> bool:
        """Returns whether the query holds a whole key under any name, or the beginning of one under a key's name."""
        prefix = self._settings.key_prefix
        if not query or not prefix:
            return False
        for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
            if not value.startswith(prefix):
                continue
            is_credential = name.lower().replace("-", "_") in CREDENTIAL_NAMES
            if is_credential or KEY_CHARACTERS.fullmatch(value, len(prefix)):
                return True
        return False

    def _is_own_origin(self, connection: HTTPConnection) -> bool:
        # Programs send no Origin; a browser always does on what may change something.
        origin = connection.headers.get("origin")
        if origin is None:
            return True
        if origin in self._settings.origins and origin != NULL:
            # The browser sends our cookie with the requests of an allowed site's page, too; such a page must use a key.
            return self._is_same(origin, connection) or self._settings.cookie not in connection.cookies
        return self._is_same(origin, connection)

    def _is_same(self, origin: str, connection: HTTPConnection) -> bool:
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        # A page without TLS may be forged by anyone between server and browser.
        is_downgraded = parts.scheme == "http" and is_secure(connection, self._settings.proxies)
        return parts.netloc == connection.headers.get("host") and not is_downgraded

    def _is_declared(self, scope: Scope, headers: Headers) -> bool:
        # Without a preflight request, another site's page can send text/plain and forms, but no JSON.
        media_type = _media_type(headers)
        if media_type == FORM_TYPE:
            path = f"{scope['path']}/"
            return any(path.startswith(f"{prefix.rstrip('/')}/") for prefix in self._settings.form_prefixes)
        if media_type:
            return media_type in FILE_TYPES or media_type == "application/json" or media_type.endswith("+json")
        return "transfer-encoding" not in headers and headers.get("content-length", "0") == "0"

    def _security_headers(self, connection: HTTPConnection) -> dict[str, str]:
        is_local = is_local_host(connection.headers.get("host", ""))
        # A browser keeps it by host name: for localhost it would bar every other server of this machine.
        if is_local or not is_secure(connection, self._settings.proxies):
            return SECURITY_HEADERS
        return {**SECURITY_HEADERS, "Strict-Transport-Security": TRANSPORT_SECURITY}

    def _limit(self, headers: Headers) -> int:
        is_file = _media_type(headers) in FILE_TYPES
        return self._settings.max_upload_bytes if is_file else self._settings.max_json_bytes


def _shorten_address(scope: Scope) -> None:
    """Reduce a whole URL in the request line to its path; its host replaces the Host header (RFC 9112, 3.2.2)."""
    whole = WHOLE_ADDRESS.fullmatch(scope.get("raw_path") or b"")
    if whole is not None:
        host, path = whole[1], whole[2] or b"/"
        scope["raw_path"], scope["path"] = path, unquote(path.decode("ascii"))
        scope["headers"] = [(b"host", host), *(header for header in scope["headers"] if header[0] != b"host")]


def is_local_host(value: str) -> bool:
    """Returns whether a Host header names this machine as only the machine itself would."""
    name = _host_name(value)
    return name in LOCAL_HOSTS or name.endswith(".localhost")


def _host_name(value: str) -> str:
    """Returns the host in lower case, without its port; "" where the value is more than a host and a port."""
    try:
        parts = urlsplit(f"//{value}")
        is_bare = parts.netloc == value and "@" not in value and parts.port != 0
    except ValueError:
        return ""
    return (parts.hostname or "") if is_bare else ""


def _with_headers(send: Send, added: dict[str, str]) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in added.items():
                headers.setdefault(name, value)
        await send(message)

    return sender


def _limited(receive: Receive, limit: int, seconds: float) -> Receive:
    """Returns a `receive` that raises RequestRefused for a body that is too large or too slow.

    A chunked body declares no length, so it is counted as it comes. Waiting for it uses up `seconds`, and what comes
    adds time again; the time that the application takes does not count. After the body's end only the client's
    disconnect is waited for, without a limit.
    """
    received = 0
    seconds_left = seconds
    is_whole = False

    async def receiver() -> Message:
        nonlocal received, seconds_left, is_whole
        began = time.monotonic()
        try:
            async with asyncio.timeout(None if is_whole else seconds_left):
                message = await receive()
        except TimeoutError as error:
            text = f"for {seconds:g} seconds the body came slower than {LEAST_RATE} bytes a second, or not at all"
            problem = Problem(408, "body_timeout", text, headers={"Connection": "close"})
            raise RequestRefused(problem) from error
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            received += size
            seconds_left = min(seconds_left - (time.monotonic() - began) + size / LEAST_RATE, seconds)
            is_whole = not message.get("more_body", False)
            if received > limit:
                raise RequestRefused(_too_large(limit))
        return message

    return receiver


def _too_large(limit: int) -> Problem:
    return Problem(
        413,
        "too_large",
        Translatable("the body is larger than {limit} bytes", limit=limit),
        headers={"Connection": "close"},
    )


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def host_names(values: Iterable[str]) -> frozenset[str]:
    """Returns the names as they are compared with a Host header: in lower case, without a port."""
    stripped = [value.strip() for value in values]
    # An IPv6 address needs brackets before it can have a port.
    hosts = [f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host for host in stripped]
    return frozenset(name for host in hosts if (name := _host_name(host)))
