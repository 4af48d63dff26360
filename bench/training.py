"""A run beside the same training in a bare TRL script: steps per second, time to the first step, and packing.

The rows are the instructions of `../shared/data/alpaca_en_demo.json` where that is at hand, else the shipped samples.
Finery and the bare script alternate, so that a noisy machine troubles both alike.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from bench.server import Server, running
from bench.tables import median, show

ROOT = Path(__file__).resolve().parents[1]
ALPACA = ROOT.parent / "shared" / "data" / "alpaca_en_demo.json"
SAMPLES = ROOT / "src" / "finery" / "samples" / "instructions.jsonl"
ROUNDS = 5
STEPS = 60
THREADS = os.cpu_count() or 1
PACKED_ROWS = 400
SKIPPED_STEPS = 5
"""Steps at the start that are not counted: caches fill, memory grows."""


def speed() -> None:
    ours, bare = [], []
    with running(FINERY_CPU_SLOTS="1") as server, server.client() as client:
        rows = prepare(server)
        wait_until_warm(client)
        for number in range(ROUNDS):
            config = ours_like_bare(rows)
            ours.append(steps_per_second(steps_of(client, finish(client, submit(client, config, f"o{number}")))))
            bare.append(steps_per_second(bare_run(server, rows, f"b{number}")["steps"]))
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    show(
        f"Steps per second, {STEPS} steps of 8 rows, fp32, {ROUNDS} rounds in turn",
        ["", "median"],
        [
            ["finery", median(ours)],
            ["bare TRL script", median(bare)],
            ["ratio (must reach ≥ 0.97)", median(ratios)],
        ],
    )


def first_step() -> None:
    cold, warm, bare = [], [], []
    for setting, times in (("off", cold), ("on", warm)):
        with running(FINERY_WARM_START=setting, FINERY_CPU_SLOTS="1") as server, server.client() as client:
            rows = prepare(server)
            if setting == "on":
                wait_until_warm(client)
            for number in range(ROUNDS):
                began = time.time()
                run_id = finish(client, submit(client, ours_like_bare(rows) | {"max_steps": 2}, f"f{number}"))
                times.append(steps_of(client, run_id)[0] - began)
                if setting == "off":
                    began = time.time()
                    bare.append(bare_run(server, rows, f"g{number}", max_steps=2)["steps"][0] - began)
    show(
        f"Submission → first optimizer step (s), {ROUNDS} rounds",
        ["", "median", "worst", "must reach"],
        [
            ["finery, cold", median(cold), max(cold), f"≤ bare + 1 = {median(bare) + 1:.2f}"],
            ["finery, warm", median(warm), max(warm), "≤ 2.5"],
            ["bare TRL script", median(bare), max(bare), ""],
        ],
    )


def packing() -> None:
    """Tokens (no padding) per second, and the loss over the last fifth of the same tokens."""
    table: dict[str, list[dict[str, float]]] = {"finery": [], "bare": []}
    with running(FINERY_CPU_SLOTS="1") as server, server.client() as client:
        rows = prepare(server, PACKED_ROWS)
        wait_until_warm(client)
        for number in range(2):
            config = {**model_and_rows(rows), "packing": True, "max_length": 512, "batch_size": 2, "num_epochs": 1}
            run_id = finish(client, submit(client, config | {"learning_rate": 1e-3}, f"p{number}"))
            table["finery"].append(throughput(client_logs(client, run_id), steps_of(client, run_id)))
            result = bare_run(server, rows, f"q{number}", defaults=True, num_train_epochs=1, learning_rate=1e-3)
            table["bare"].append(throughput(result["logs"], result["steps"]))
    speeds = {name: median([one["tokens_per_second"] for one in found]) for name, found in table.items()}
    losses = {name: median([one["loss"] for one in found]) for name, found in table.items()}
    ratios = [
        one["tokens_per_second"] / other["tokens_per_second"]
        for one, other in zip(table["finery"], table["bare"], strict=True)
    ]
    show(
        f"Packing on (512 × 2), against TRL's defaults (8 rows), one epoch of {PACKED_ROWS} rows, 2 rounds in turn",
        ["", "tokens/s", "loss, last fifth of the tokens"],
        [
            ["finery, packing", speeds["finery"], losses["finery"]],
            ["bare TRL, defaults", speeds["bare"], losses["bare"]],
            ["ratio (must reach ≥ 1.5)", median(ratios), losses["finery"] / losses["bare"]],
        ],
    )


def prepare(server: Server, count: int | None = None) -> str:
    """Make the model, and a file of the (first `count`) rows in a shape that both read; return the file's name."""
    rows = json.loads(ALPACA.read_text()) if ALPACA.exists() else []
    pairs = [(row["instruction"] + ("\n" + row["input"] if row["input"] else ""), row["output"]) for row in rows]
    if not pairs:
        samples = [json.loads(line)["messages"] for line in SAMPLES.read_text().splitlines()]
        pairs = [(first["content"], second["content"]) for first, second in samples] * 5
    lines = [
        json.dumps(
            {"prompt": [{"role": "user", "content": one}], "completion": [{"role": "assistant", "content": two}]}
        )
        for one, two in pairs[:count]
    ]
    (server.home / "rows.jsonl").write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "finery.trainers.builtin", "finery/tiny-llama", str(server.home / "models")]
    subprocess.run(command, check=True, capture_output=True)
    return "rows.jsonl"


def model_and_rows(rows: str) -> dict[str, Any]:
    return {"model_name": "finery/tiny-llama", "dataset_path": rows, "precision": "auto"}


def ours_like_bare(rows: str) -> dict[str, Any]:
    """The settings of `bare_run`, in our words."""
    return {
        **model_and_rows(rows),
        "precision": "fp32",
        "max_steps": STEPS,
        "batch_size": 8,
        "max_length": 256,
        "learning_rate": 1e-3,
        "save_steps": 10_000,
    }


def bare_run(server: Server, rows: str, name: str, *, defaults: bool = False, **changed: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "model": str(server.home / "models" / "finery" / "tiny-llama"),
        "dataset": str(server.home / rows),
        "output_dir": str(server.home / "bare" / name),
        "threads": THREADS,
        "logging_steps": 1,
    }
    if not defaults:
        settings |= {"max_steps": STEPS, "per_device_train_batch_size": 8, "max_length": 256, "learning_rate": 1e-3}
        settings |= {"bf16": False, "gradient_checkpointing": False}
    command = [sys.executable, str(ROOT / "bench" / "bare_sft.py"), json.dumps(settings | changed)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=server.home, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise RuntimeError(done.stderr[-2000:])
    return dict(json.loads(line.removeprefix("RESULT ")))


def submit(client: httpx.Client, config: dict[str, Any], name: str) -> str:
    body = {"recipe": "sft", "config": {**config, "output_dir": f"outputs/{name}"}}
    return str(client.post("/api/v1/runs", json=body).raise_for_status().json()["id"])


def finish(client: httpx.Client, run_id: str) -> str:
    while (run := client.get(f"/api/v1/runs/{run_id}").json())["status"] not in ("succeeded", "failed", "cancelled"):
        time.sleep(0.2)
    if run["status"] != "succeeded":
        raise RuntimeError(run["error"])
    return run_id


def progress_of(client: httpx.Client, run_id: str) -> list[dict[str, Any]]:
    answer = client.get(f"/api/v1/runs/{run_id}/events", params={"limit": 10_000}).raise_for_status().json()
    return [event for event in answer["events"] if event["type"] == "progress"]


def steps_of(client: httpx.Client, run_id: str) -> list[float]:
    """When each step ended, in epoch seconds."""
    return [event["at"] for event in progress_of(client, run_id)]


def client_logs(client: httpx.Client, run_id: str) -> list[dict[str, float]]:
    return [{"loss": event["data"]["loss"], "tokens": event["data"]["tokens"]} for event in progress_of(client, run_id)]


def steps_per_second(steps: list[float]) -> float:
    counted = steps[SKIPPED_STEPS:]
    return (len(counted) - 1) / (counted[-1] - counted[0])


def throughput(logs: list[dict[str, float]], steps: list[float]) -> dict[str, float]:
    tokens = logs[-1]["tokens"] - logs[SKIPPED_STEPS]["tokens"]
    late = [one["loss"] for one in logs if one["tokens"] >= 0.8 * logs[-1]["tokens"]]
    return {"tokens_per_second": tokens / (steps[-1] - steps[SKIPPED_STEPS]), "loss": sum(late) / len(late)}


def wait_until_warm(client: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while client.get("/api/v1/system").json()["warm_start"] != "ready":
        if time.monotonic() > deadline:
            raise RuntimeError("the warm parent did not become ready")
        time.sleep(0.2)
