"""Runs of the trainers, each in a process of its own, as the server starts them."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finery.contracts.layout import RunDirectory
from finery.contracts.process import Outcome
from finery.contracts.recipes import RECIPES
from finery.contracts.resolved_run import ResolvedData, RunSpec


class PartFailed(Exception):
    """What a part is to show does not hold; the message says what was seen."""


@dataclass(frozen=True)
class Ended:
    outcome: Outcome
    events: list[dict[str, Any]]

    def of(self, type: str) -> list[dict[str, Any]]:
        return [event["data"] for event in self.events if event["type"] == type]

    def losses(self) -> list[float]:
        return [progress["loss"] for progress in self.of("progress")]

    def seconds_of_step(self, skipped: int) -> float:
        """The mean of the steps after the first `skipped`."""
        times = [event["at"] for event in self.events if event["type"] == "progress"][skipped:]
        return float(times[-1] - times[0]) / (len(times) - 1)


def carry_out(
    folder: Path, recipe: str, *, model: Path, dataset: Path, gpu: int | None, before: str = "", **config: Any
) -> Ended:
    """Trains; `before` is Python that runs first in the trainer's process. Raises PartFailed where it does not end."""
    run = RunDirectory(folder / "run")
    run.path.mkdir(parents=True)
    spec = RunSpec(
        run_id=folder.name,
        recipe=recipe,
        trainer=RECIPES[recipe].trainer,
        config={"model_name": str(model), "dataset_path": str(dataset), **config},
        home=folder,
        models={"model_name": str(model)},
        datasets={"dataset_path": ResolvedData(path=dataset)},
        output_dir=folder / "output",
        models_cache=folder,
        gpus=[] if gpu is None else [gpu],
        cpu_threads=os.cpu_count() or 1 if gpu is None else 4,
    )
    run.spec.write_text(spec.model_dump_json())
    program = f"{before}\nimport sys\nfrom finery.trainers.__main__ import main\nsys.exit(main([{str(run.path)!r}]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    if not run.attempt(1).outcome.is_file():
        raise PartFailed(f"{recipe} left no outcome: {done.stderr[-500:]}")
    outcome = Outcome.model_validate_json(run.attempt(1).outcome.read_bytes())
    if outcome.reason != "completed":
        raise PartFailed(f"{recipe} ended: {outcome.reason} {outcome.message}")
    return Ended(outcome, [json.loads(line) for line in run.events.read_text().splitlines()])
