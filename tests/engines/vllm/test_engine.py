import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from finery.engines.base import Health, StartOptions
from finery.engines.vllm.adapters import LOAD_PATH, is_loaded_already, load_body
from finery.engines.vllm.engine import VllmEngine
from finery.engines.vllm.settings import DEFAULT_COMMAND, VllmSettings
from tests.ports import free_port

STANDIN = Path(__file__).parent / "standin.py"
COMMAND = f"python {STANDIN} serve {{model}} --port {{port}} --served-model-name {{name}}"
TOKEN = "the-token"


class TestCommand:
    def test_says_what_was_asked_for(self) -> None:
        engine = VllmEngine(VllmSettings(command=DEFAULT_COMMAND), "/env/bin/vllm")
        command = engine.command(
            StartOptions(
                model="/m",
                port=8100,
                name="m",
                quantization="4bit",
                max_context=2048,
                chat_template=Path("/t.jinja"),
                memory_share=0.25,
                adapters={"a": "/a"},
                adapter_rank=64,
            )
        )
        assert command == [
            *("/env/bin/vllm", "serve", "/m", "--host", "127.0.0.1", "--port", "8100", "--served-model-name", "m"),
            *("--max-model-len", "2048", "--chat-template", "/t.jinja", "--gpu-memory-utilization", "0.25"),
            *("--quantization", "bitsandbytes", "--max-lora-rank", "64", "--enable-lora"),
            *("--lora-modules", '{"name": "a", "path": "/a"}'),
        ]

    def test_what_the_template_says_stays(self) -> None:
        template = f"{DEFAULT_COMMAND} --gpu-memory-utilization=0.5 --max-lora-rank 8 --enable-lora"
        command = VllmEngine(VllmSettings(command=template), "/v").command(
            StartOptions(model="/m", port=1, memory_share=0.25, adapter_rank=64)
        )
        assert command[-4:] == ["--gpu-memory-utilization=0.5", "--max-lora-rank", "8", "--enable-lora"]


@contextmanager
def running(options: StartOptions, *more: str) -> Iterator[VllmEngine]:
    engine = VllmEngine(VllmSettings(command=COMMAND), sys.executable)
    command = [*engine.command(options), *more]
    with subprocess.Popen(command, env={**os.environ, **engine.environment(TOKEN)}) as process:
        try:
            yield engine
        finally:
            process.terminate()


def wait_until_healthy(engine: VllmEngine, port: int) -> None:
    deadline = time.monotonic() + 20
    while engine.health(port, TOKEN, 1.0) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


class TestHealth:
    def test_once_it_has_loaded_and_only_with_the_token(self) -> None:
        port = free_port()
        with running(StartOptions(model="/m", port=port), "--startup-seconds", "0.5") as engine:
            assert engine.health(port, TOKEN, 1.0) is None
            wait_until_healthy(engine, port)
            assert engine.health(port, TOKEN, 1.0) == Health("")
            assert engine.health(port, "wrong", 1.0) is None


class TestAdapters:
    def test_are_loaded_while_it_serves(self, tmp_path: Path) -> None:
        (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 8}))
        port = free_port()
        with running(StartOptions(model="/m", port=port, adapter_rank=64)) as engine:
            wait_until_healthy(engine, port)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                client.headers["Authorization"] = f"Bearer {TOKEN}"
                body = load_body("a", str(tmp_path))
                assert client.post(LOAD_PATH, json=body).status_code == 200
                again = client.post(LOAD_PATH, json=body)
                assert is_loaded_already(again.status_code, again.json()["error"]["message"])
                names = [model["id"] for model in client.get("/v1/models").json()["data"]]
                assert names == ["/m", "a"]
