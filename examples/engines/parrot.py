"""An engine that is no part of Finery: a program that says back what it hears, and what Finery has to know of it."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from finery.contracts.deployment import EngineOptions
from finery.contracts.machine import Machine
from finery.engines.base import Health, LoadPlan, ServableModel, StartOptions
from finery.engines.registry import register
from finery.engines.wire import ChatRequest, CompletionRequest, GenerationRequest, RequestRefused, read_fields

VARIABLE = "PARROT_ACCESS"
"""Of the environment: the token that requests have to bear."""
NO_MODEL = 7
"""The exit code where config.json says nothing of a model."""
REQUESTS: Mapping[str, type[GenerationRequest]] = {
    "/v1/chat/completions": ChatRequest,
    "/v1/completions": CompletionRequest,
}


class Parrot:
    name = "parrot"
    missing_reason = None
    validates_requests = False
    adapter_loading = None
    model_fault_codes = frozenset({NO_MODEL})
    unservable_codes: frozenset[int] = frozenset()

    def preference(self, machine: Machine) -> int:
        """Only who asks for it gets it."""
        return 0

    def issue(self, model: ServableModel, options: EngineOptions) -> str | None:
        if model.adapter is not None:
            return "it is an adapter"
        return "it cannot be quantized there" if options.load_in_8bit or options.load_in_4bit else None

    def plan(self, model: ServableModel, options: EngineOptions) -> LoadPlan:
        return LoadPlan(load=model.name, options=options)

    def served_name(self, plan: LoadPlan, stamp: str) -> str | None:
        return f"parrot:{Path(plan.load).name}"

    def command(self, options: StartOptions) -> list[str]:
        return [sys.executable, __file__, "--model", options.model, "--port", str(options.port)]

    def environment(self, token: str) -> dict[str, str]:
        return {VARIABLE: token}

    def health(self, port: int, token: str, seconds: float) -> Health | None:
        connection = HTTPConnection("127.0.0.1", port, timeout=seconds)
        try:
            connection.request("GET", "/health", headers={"Authorization": f"Bearer {token}"})
            return Health(str(json.load(connection.getresponse())["device"]))
        except (OSError, HTTPException, ValueError, KeyError):
            return None
        finally:
            connection.close()

    def check_request(self, path: str, body: Mapping[str, Any]) -> None:
        request = read_fields(REQUESTS[path], body)
        if request.temperature is not None:
            raise RequestRefused("A parrot has no temperature.", param="temperature", code="unsupported_parameter")


class Perch(BaseHTTPRequestHandler):
    model = ""

    def do_GET(self) -> None:
        self._answer({"device": "cpu"})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        heard = request["messages"][-1]["content"] if "messages" in request else request["prompt"]
        message = {"message": {"role": "assistant", "content": heard}} if "messages" in request else {"text": heard}
        self._answer({"object": "answer", "model": self.model, "choices": [{"index": 0, **message}]})

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, answer: dict[str, Any]) -> None:
        is_known = self.headers["Authorization"] == f"Bearer {os.environ[VARIABLE]}"
        data = json.dumps(answer if is_known else {"error": {"message": "no token"}}).encode()
        self.send_response(200 if is_known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    if not json.loads((options.model / "config.json").read_bytes()):
        print(f"{options.model.name} is no model", flush=True)
        raise SystemExit(NO_MODEL)
    Perch.model = f"parrot:{options.model.name}"
    ThreadingHTTPServer(("127.0.0.1", options.port), Perch).serve_forever()


if __name__ == "__main__":
    main()
else:
    register(Parrot())
