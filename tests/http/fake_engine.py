"""An engine's HTTP side without a model, in a thread: it answers with what it was asked."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class FakeEngine:
    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.status = 200
        self.refusal = "no"
        self.details: dict[str, Any] = {}
        """Of the refusal, beside its message."""
        self.authorizations: list[str | None] = []
        self.answering = threading.Event()
        """Cleared, its answers wait."""
        self.answering.set()
        engine = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                engine.asked.append((self.path, body))
                engine.authorizations.append(self.headers["Authorization"])
                engine.answering.wait()
                kind, data = engine.answer(self.path, body)
                self.send_response(engine.status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def port(self) -> int:
        return self._server.server_port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path: str, body: dict[str, Any]) -> tuple[str, bytes]:
        if self.status != 200:
            return "application/json", json.dumps({"error": {"message": self.refusal, **self.details}}).encode()
        if body.get("stream"):
            return "text/event-stream", b'data: {"choices":[]}\n\ndata: [DONE]\n\n'
        texts = [f" answer {number}" for number in range(body.get("n", 1))]
        if path.endswith("/chat/completions"):
            choices = [{"message": {"role": "assistant", "content": text}} for text in texts]
        else:
            choices = [{"text": text} for text in texts]
        return "application/json", json.dumps({"model": "m", "choices": choices}).encode()
