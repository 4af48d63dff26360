"""Speaks as vLLM's server does, without a model: `standin.py serve MODEL --port P …`.

It takes the same arguments, listens before it is ready, asks for its key, loads adapters while it serves, passes over
parameters that it does not know, stops when a client leaves, and answers with what it was asked, so that a test sees
what reached it. Arguments that vLLM has not are refused as argparse does. Its own: `user` is how many seconds an answer
takes, and it dies over an adapter whose folder holds a file `fatal`, which it removes.
"""

import argparse
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

KNOWN = frozenset({"model", "messages", "prompt", "stream", "max_tokens", "user"})
"""All that it honours."""
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    serve = parser.add_subparsers(required=True).add_parser("serve")
    serve.add_argument("model_tag")
    serve.add_argument("--host")
    serve.add_argument("--port", type=int, default=8000)
    serve.add_argument("--served-model-name", nargs="+")
    serve.add_argument("--max-model-len", type=int)
    serve.add_argument("--chat-template", type=Path)
    serve.add_argument("--gpu-memory-utilization", type=float)
    serve.add_argument("--quantization")
    serve.add_argument("--enable-lora", action="store_true")
    serve.add_argument("--max-lora-rank", type=int, choices=RANKS, default=16)
    serve.add_argument("--lora-modules", nargs="+", type=json.loads, default=[])
    serve.add_argument("--startup-seconds", type=float, default=0.0, help="the stand-in's own: how long it loads")
    serve.add_argument("--fails", help="the stand-in's own: last words of a start that fails")
    return parser.parse_args(arguments)


class Standin:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.names: list[str] = options.served_model_name or [options.model_tag]
        self.adapters: dict[str, str] = {}
        self.left = 0
        self.ready_at = time.monotonic() + options.startup_seconds
        for module in options.lora_modules:
            self.load(module["name"], module["path"])

    def load(self, name: str, path: str) -> tuple[int, str]:
        if not self.options.enable_lora:
            return 400, "LoRA is not enabled"
        if name in self.adapters:
            return 400, f"The lora adapter '{name}' has already been loaded. If you want to load it in place, say so."
        if (Path(path) / "fatal").exists():
            (Path(path) / "fatal").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            rank = json.loads((Path(path) / "adapter_config.json").read_text())["r"]
        except OSError:
            return 404, f"No adapter found for '{path}'"
        if rank > self.options.max_lora_rank:
            return 400, f"LoRA rank {rank} is greater than max_lora_rank {self.options.max_lora_rank}."
        self.adapters[name] = path
        return 200, f"Success: LoRA adapter '{name}' added successfully."

    def text(self, body: dict[str, Any]) -> str:
        """What a test may want to know, as the answer's text."""
        options = self.options
        template = options.chat_template.read_text() if options.chat_template else None
        return json.dumps(
            {
                "process": os.getpid(),
                "model": body["model"],
                "adapter": self.adapters.get(body["model"]),
                "base": options.model_tag,
                "chat_template": template,
                "max_model_len": options.max_model_len,
                "share": options.gpu_memory_utilization,
                "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
                "passed_over": sorted(body.keys() - KNOWN),
                "left": self.left,
            }
        )


def make_handler(standin: Standin, key: str | None) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if time.monotonic() < standin.ready_at:
                # vLLM binds its port early, and answers nobody until it has loaded.
                self.close_connection = True
                return
            if self.path == "/health":
                self.answer(200, b"")
            elif self.is_known() and self.path == "/v1/models":
                names = [*standin.names, *standin.adapters]
                self.json(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in names]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not self.is_known():
                return
            if self.path == "/v1/load_lora_adapter":
                if os.environ.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "").lower() not in ("1", "true"):
                    self.refuse(404, "Not Found")
                    return
                status, text = standin.load(body["lora_name"], body["lora_path"])
                self.answer(200, text.encode()) if status == 200 else self.refuse(status, text)
            elif self.path == "/v1/unload_lora_adapter":
                found = standin.adapters.pop(body["lora_name"], None)
                self.answer(200, b"Success") if found else self.refuse(404, "The lora adapter cannot be found.")
            elif body.setdefault("model", standin.names[0]) not in [*standin.names, *standin.adapters]:
                self.refuse(404, f"The model `{body['model']}` does not exist.", "model")
            elif body.get("max_tokens", 1) < 1:
                self.refuse(400, "max_tokens must be at least 1", "max_tokens")
            else:
                self.generate(body)

        def generate(self, body: dict[str, Any]) -> None:
            if not self.waits(float(body.get("user") or 0)):
                standin.left += 1
                self.close_connection = True
                return
            chat, text = self.path == "/v1/chat/completions", standin.text(body)
            head = {"id": "chatcmpl-1", "created": 1, "model": body["model"]}
            if not body.get("stream"):
                part = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
                choice = {"index": 0, "finish_reason": "stop", "logprobs": None, **part}
                self.json(200, {**head, "object": "chat.completion", "choices": [choice]})
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in [text[start : start + 16] for start in range(0, len(text), 16)]:
                choice = {"index": 0, "delta": {"content": piece}} if chat else {"index": 0, "text": piece}
                event = json.dumps({**head, "choices": [choice]}, separators=(",", ":"), ensure_ascii=False)
                self.chunk(f"data: {event}\n\n".encode())
            self.chunk(b"data: [DONE]\n\n")
            self.chunk(b"")

        def waits(self, seconds: float) -> bool:
            """Until the client has gone at most; whether it is still there."""
            if not select.select([self.connection], [], [], seconds)[0]:
                return True
            return self.connection.recv(1, socket.MSG_PEEK) != b""

        def is_known(self) -> bool:
            if key is None or self.headers["Authorization"] == f"Bearer {key}":
                return True
            self.answer(401, b'{"error": "Unauthorized"}')
            return False

        def refuse(self, status: int, message: str, param: str | None = None) -> None:
            error = {"message": message, "type": "BadRequestError", "param": param, "code": status}
            self.json(status, {"error": error})

        def json(self, status: int, body: object) -> None:
            self.answer(status, json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode())

        def answer(self, status: int, data: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def chunk(self, data: bytes) -> None:
            # In two writes, so that whoever reads sees lines in pieces.
            whole = f"{len(data):x}\r\n".encode() + data + b"\r\n"
            self.wfile.write(whole[: len(whole) // 2])
            self.wfile.flush()
            self.wfile.write(whole[len(whole) // 2 :])
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def main() -> None:
    options = parse(sys.argv[1:])
    if options.fails:
        print(options.fails, file=sys.stderr)
        sys.exit(1)
    handler = make_handler(Standin(options), os.environ.get("VLLM_API_KEY"))
    server = ThreadingHTTPServer((options.host or "127.0.0.1", options.port), handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


if __name__ == "__main__":
    main()
