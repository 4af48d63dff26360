"""A tiny model on disk, and the real engine serving it."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from finery.engines.base import StartOptions
from finery.engines.transformers.engine import TransformersEngine
from tests import ports
from tests.engines.tiny import make_adapter, make_model

ROOT = Path(__file__).parents[2]
START_SECONDS = 120.0


@dataclass
class Engine:
    process: "subprocess.Popen[str]"
    url: str
    lines: list[str] = field(default_factory=list)

    def post(self, path: str, **body: object) -> httpx.Response:
        return httpx.post(f"{self.url}/v1/{path}", json=body, timeout=60)

    def complete(self, prompt: object = "The smith", **body: object) -> dict[str, object]:
        response = self.post("completions", prompt=prompt, **body)
        assert response.status_code == 200, response.text
        return dict(response.json())

    def wait_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"the engine ended with {self.process.returncode}"
            if any("ready on port" in line for line in self.lines):
                return
            time.sleep(0.05)
        raise AssertionError("the engine did not get ready")


@contextmanager
def running_engine(
    model: Path | str, *, port: int, name: str = "tiny", token: str | None = None, **options: object
) -> Iterator[Engine]:
    command = TransformersEngine().command(StartOptions(model=str(model), port=port, name=name, **options))  # type: ignore[arg-type]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "HF_HUB_OFFLINE": "1"}
    if token is not None:
        environment |= TransformersEngine().environment(token)
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        engine = Engine(process, f"http://127.0.0.1:{port}")
        assert process.stdout is not None
        reader = threading.Thread(target=engine.lines.extend, args=(process.stdout,))
        reader.start()
        try:
            yield engine
        finally:
            process.kill()
            process.wait()
            reader.join()


def run_to_end(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "finery.engines.transformers", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, capture_output=True, env=environment, text=True, timeout=START_SECONDS, check=False)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def adapter_folder(model_folder: Path) -> Path:
    return make_adapter(model_folder.parent / "adapter", model_folder, base_name="../tiny")


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    return ports.free_port


@pytest.fixture(scope="module")
def engine(model_folder: Path, free_port: Callable[[], int]) -> Iterator[Engine]:
    with running_engine(model_folder, port=free_port()) as running:
        running.wait_ready()
        yield running
