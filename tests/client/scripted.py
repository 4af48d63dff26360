"""A real HTTP server that answers what a test wrote down, request by request."""

import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Scripted:
    """`cut`: the connection breaks after the body instead of ending in order."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


Answerer = Callable[[Asked], Scripted]


def as_json(value: Any, *, status: int = 200, **headers: str) -> Scripted:
    return Scripted(json.dumps(value).encode(), status, {"Content-Type": "application/json", **headers})


def error(code: str, message: str, *, status: int, errors: list[dict[str, Any]] | None = None) -> Scripted:
    return as_json({"error": {"code": code, "message": message, "errors": errors or []}}, status=status)


class ScriptedServer:
    """Answers each request with the next entry of `script`, the last one for ever; an entry may be a function."""

    def __init__(self, *script: Scripted | Answerer, tls: ssl.SSLContext | None = None) -> None:
        self.script = list(script)
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    @property
    def paths(self) -> list[str]:
        return [f"{asked.method} {asked.path}" for asked in self.asked]

    def _next(self, asked: Asked) -> Scripted:
        self.asked.append(asked)
        entry = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return entry if isinstance(entry, Scripted) else entry(asked)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer = outer._next(Asked(self.command, self.path, dict(self.headers.items()), body))
                # More is promised than is sent when the connection shall break.
                length = len(answer.body) + (1 if answer.cut else 0)
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(length), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)
                self.close_connection = answer.cut

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
