import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from finery.engines import base as engines
from finery.engines.base import StartOptions
from finery.engines.transformers.engine import TransformersEngine


class TestCommand:
    def test_is_an_argument_list(self) -> None:
        command = TransformersEngine().command(StartOptions(model="/models/a b", port=9000))
        assert command[:3] == [sys.executable, "-m", "finery.engines.transformers"]
        assert command[3:] == ["--model", "/models/a b", "--host", "127.0.0.1", "--port", "9000", "--dtype", "auto"]

    def test_passes_every_option(self) -> None:
        command = TransformersEngine().command(
            StartOptions(
                model="m",
                port=1,
                name="ft:x",
                any_name=True,
                quantization="4bit",
                max_context=512,
                kv_blocks=8,
                cache_bytes=1024,
                chat_template=Path("/t.jinja"),
            )
        )
        rest = ["--name", "ft:x", "--max-context", "512", "--kv-blocks", "8", "--cache-bytes", "1024"]
        rest += ["--chat-template", "/t.jinja", "--any-name", "--load-in-4bit"]
        assert command[-len(rest) :] == rest

    def test_loads_no_framework(self) -> None:
        program = "import sys, finery.engines.registry; sys.exit('torch' in sys.modules or 'fastapi' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


class Health(HTTPServer):
    body: bytes = b""
    status = 200


@pytest.fixture
def health() -> Iterator[Health]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(server.status)
            self.end_headers()
            self.wfile.write(server.body)

        def log_message(self, *_: object) -> None:
            pass

    server = Health(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class TestHealth:
    @pytest.mark.parametrize(
        ("status", "body", "told"),
        [
            (200, {"device": "cpu"}, engines.Health("cpu")),
            (200, {"device": "cpu", "generation": "plain batches"}, engines.Health("cpu", "plain batches")),
            (503, {"device": None}, None),
            (200, {"other": 1}, None),
            (200, ["device"], None),
        ],
    )
    def test_is_what_it_says_once_it_is_loaded(
        self, health: Health, status: int, body: object, told: engines.Health | None
    ) -> None:
        health.status, health.body = status, json.dumps(body).encode()
        assert TransformersEngine().health(health.server_port, "t", 5.0) == told

    def test_nobody_there(self) -> None:
        assert TransformersEngine().health(1, "t", 5.0) is None
