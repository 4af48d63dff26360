"""What the pages show: real runs, made over the API once for all tests."""

import functools
import json
import sys
import time
from typing import Any

import httpx

MODEL = "finery/tiny-llama"
ROWS = [
    {"messages": [{"role": "user", "content": f"Where is parcel {n}?"}, {"role": "assistant", "content": "delivery"}]}
    for n in range(40)
]
WAIT_SECONDS = 240.0
FINISHED = ("succeeded", "failed", "cancelled")


class House:
    """`client`: of the server, without accounts or logged in."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    @functools.cached_property
    def dataset(self) -> str:
        """The path of forty conversations."""
        content = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
        answer = self.client.post(
            "/api/v1/datasets", data={"name": "parcels"}, files={"file": ("parcels.jsonl", content)}
        )
        assert answer.is_success, answer.text
        return str(answer.json()["path"])

    @property
    def dataset_id(self) -> str:
        return self.dataset.removeprefix("dataset:").partition("@")[0]

    @functools.cached_property
    def trained(self) -> dict[str, Any]:
        """A run that succeeded, with evaluations."""
        return self.finished(self.start(name="parcels", max_steps=8))

    @functools.cached_property
    def slower(self) -> dict[str, Any]:
        """A run like `trained`, but for its learning rate."""
        return self.finished(self.start(name="slower parcels", max_steps=8, learning_rate=1e-4))

    @functools.cached_property
    def served(self) -> dict[str, Any]:
        """The deployment of the trained model, which has ended."""
        body = {"model": self.trained["output_dir"]}
        made: dict[str, Any] = self.client.post("/api/v1/deployments", json=body).raise_for_status().json()
        self.client.delete(f"/api/v1/deployments/{made['id']}").raise_for_status()
        return made

    @functools.cached_property
    def failed(self) -> dict[str, Any]:
        """A run of a program that failed."""
        run = self.create({"recipe": "command", "name": "breaks", "config": {"argv": [sys.executable, "-c", "1/0"]}})
        return self.finished(run)

    @functools.cached_property
    def sweep(self) -> dict[str, Any]:
        """Two programs, of which one failed."""
        argv = [[sys.executable, "-c", "print(1)"], [sys.executable, "-c", "1/0"]]
        answer = self.client.post("/api/v1/sweeps", json={"recipe": "command", "config": {"argv": argv}, "name": "two"})
        assert answer.status_code == 201, answer.text
        sweep: dict[str, Any] = answer.json()
        for each in sweep["runs"]:
            self.finished(each["run"])
        return sweep

    def start(self, *, name: str, max_steps: int, **config: object) -> dict[str, Any]:
        """Starts a fine-tuning of the smallest built-in model."""
        chosen = {"max_steps": max_steps, "batch_size": 2, "learning_rate": 1e-3, "logging_steps": 1, **config}
        return self.create(
            {"recipe": "sft", "name": name, "config": {"model_name": MODEL, "dataset_path": self.dataset, **chosen}}
        )

    def create(self, body: dict[str, object]) -> dict[str, Any]:
        answer = self.client.post("/api/v1/runs", json=body)
        assert answer.status_code == 201, answer.text
        run: dict[str, Any] = answer.json()
        return run

    def get(self, run_id: str) -> dict[str, Any]:
        run: dict[str, Any] = self.client.get(f"/api/v1/runs/{run_id}").raise_for_status().json()
        return run

    def finished(self, run: dict[str, Any]) -> dict[str, Any]:
        """Waits for the run's end."""
        deadline = time.monotonic() + WAIT_SECONDS
        while run["status"] not in FINISHED and time.monotonic() < deadline:
            time.sleep(0.2)
            run = self.get(run["id"])
        assert run["status"] in FINISHED, run
        return run

    def progressed(self, run: dict[str, Any], steps: int) -> dict[str, Any]:
        """Waits until the run has made so many steps."""
        deadline = time.monotonic() + WAIT_SECONDS
        while step_of(run) < steps and run["status"] not in FINISHED and time.monotonic() < deadline:
            time.sleep(0.1)
            run = self.get(run["id"])
        assert step_of(run) >= steps, run
        return run


def step_of(run: dict[str, Any]) -> int:
    return run["progress"]["step"] or 0
