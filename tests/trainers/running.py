"""Runs for the tests: a directory with its specification, carried out in this process or in one of its own."""

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finery.contracts.layout import RunDirectory
from finery.contracts.process import Outcome
from finery.contracts.recipes import RECIPES
from finery.contracts.resolved_run import ResolvedData, RunSpec
from finery.trainers.__main__ import main
from finery.trainers.builtin.tokenizer import SAMPLES

INSTRUCTIONS = SAMPLES / "instructions.jsonl"
PREFERENCES = SAMPLES / "preferences.jsonl"
CORPUS = SAMPLES / "corpus.jsonl"
FEEDBACK = SAMPLES / "feedback.jsonl"
SOURCE = SAMPLES.parents[1]


@dataclass(frozen=True)
class Ended:
    code: int
    outcome: Outcome
    events: list[dict[str, Any]]

    def of(self, type: str) -> list[dict[str, Any]]:
        return [event["data"] for event in self.events if event["type"] == type]

    def losses(self) -> dict[int, float]:
        return {data["step"]: data["loss"] for data in self.of("progress")}


def make_run(
    folder: Path,
    recipe: str,
    *,
    cache: Path,
    model: str | Path = "finery/tiny-llama",
    dataset: Path = INSTRUCTIONS,
    eval_dataset: Path | None = None,
    output: Path | None = None,
    gpus: tuple[int, ...] = (),
    **config: Any,
) -> RunDirectory:
    """A run directory under `folder`, on one thread: the tests' workers share two cores."""
    run = RunDirectory(folder / "run")
    run.path.mkdir(parents=True, exist_ok=True)
    models = {"model_name": str(model)}
    if "model" in config.get("grader", {}):
        models["grader.model"] = config["grader"]["model"]
    datasets = {"dataset_path": ResolvedData(path=dataset, entry=config.get("dataset_name"))}
    if eval_dataset is not None:
        datasets["eval_dataset_path"] = ResolvedData(path=eval_dataset)
    spec = RunSpec(
        run_id="run",
        recipe=recipe,
        trainer=RECIPES[recipe].trainer,
        config={"model_name": str(model), "dataset_path": str(dataset), **config},
        home=folder,
        models=models,
        datasets=datasets,
        output_dir=output or folder / "output",
        models_cache=cache,
        gpus=list(gpus),
        cpu_threads=1,
    )
    run.spec.write_text(spec.model_dump_json())
    return run


def carry_out(run: RunDirectory) -> Ended:
    """In this process, which has imported the libraries already."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = main([str(run.path)])
    return ended(run, code)


def start(run: RunDirectory, *, before: str = "") -> "subprocess.Popen[bytes]":
    """In a process of its own; `before` is Python that runs there first."""
    program = f"{before}\nimport sys\nfrom finery.trainers.__main__ import main\nsys.exit(main([{str(run.path)!r}]))"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    with (run.path / "log.txt").open("ab") as log:
        return subprocess.Popen([sys.executable, "-c", program], stdout=log, stderr=log, env=environment)


def ended(run: RunDirectory, code: int) -> Ended:
    outcome = Outcome.model_validate_json(run.attempt(1).outcome.read_bytes())
    return Ended(code, outcome, read_events(run))


def read_events(run: RunDirectory) -> list[dict[str, Any]]:
    """Whole lines only."""
    text = run.events.read_text() if run.events.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def wait_until(true: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def chat(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}
