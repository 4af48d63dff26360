"""Describes the process of a claimed run (a `Launch`) for the executor, and writes the run directory's spec.json."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from finery.contracts.layout import HomeDirectory, mark_of
from finery.contracts.machine import Machine
from finery.contracts.process import Launch
from finery.contracts.recipes import RECIPES
from finery.contracts.resolved_run import ResolvedRun, RunSpec
from finery.domain.runs.claims import Claim
from finery.executors.base import Executor, SubmitFailed
from finery.kit.files import write_json

TRAINERS = "finery.trainers"
LARGE_ALLOCATION = "4000000000"
"""Bytes. Keeps the C library from giving memory back between steps: 17 % less CPU time on a tiny model."""

PROCESS_ENVIRONMENT: dict[str, str] = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
    "PYTHONIOENCODING": "utf-8",
    # Waiting threads that spin take the processor from those that work: ten times slower steps on a busy machine.
    "OMP_WAIT_POLICY": "passive",
    "MALLOC_MMAP_THRESHOLD_": LARGE_ALLOCATION,
    "MALLOC_TRIM_THRESHOLD_": LARGE_ALLOCATION,
}
"""What every trainer, every engine and the warm parent get."""


def render_launch(
    claim: Claim,
    executor: Executor,
    home: HomeDirectory,
    home_id: str,
    machine: Machine,
    grace_seconds: float,
    secrets: Mapping[str, str],
) -> Launch:
    """Write the run directory's spec.json and describe the attempt, both with paths as its executor's place sees them.

    The values of `secrets` go into the launch's environment and nowhere else.
    Raises OSError when the disk refuses, and SubmitFailed for a recipe that is not known any more.
    """
    recipe = RECIPES.get(claim.recipe)
    if recipe is None:
        raise SubmitFailed(f"this server knows no recipe {claim.recipe!r}")
    directory = home.run(claim.run_id)
    attempt = directory.attempt(claim.ref.attempt)
    for folder in (directory.control, directory.checkpoints, attempt.path, home.run_log(claim.run_id).parent):
        folder.mkdir(parents=True, exist_ok=True)
    threads = max(1, machine.cpu_count // machine.cpu_slots) * max(1, claim.cpu_slots)
    there = executor.path_there
    spec = RunSpec(
        **{**_resolved_there(claim.resolved, there), "secrets": sorted(secrets), "optional_secrets": []},
        run_id=claim.run_id,
        recipe=recipe.name,
        trainer=recipe.trainer,
        config=claim.config,
        home=there(home.path),
        models_cache=HomeDirectory(there(home.path)).models,
        gpus=claim.gpus,
        cpu_threads=threads,
    )
    write_json(directory.spec, spec.model_dump(mode="json"))
    _end_last_line(directory.events)
    # Requests that an earlier attempt did not get to; what still holds is an intent, and is delivered anew.
    for request in directory.control.iterdir():
        request.unlink(missing_ok=True)
    return Launch(
        mark=mark_of(home_id, directory.path, claim.ref.attempt),
        directory=directory.path,
        attempt=claim.ref.attempt,
        argv=[executor.python, "-m", TRAINERS, str(there(directory.path))],
        working_directory=there(home.path),
        log_file=there(home.run_log(claim.run_id)),
        environment={
            **secrets,
            **PROCESS_ENVIRONMENT,
            "FINERY_ATTEMPT_DIR": str(there(attempt.path)),
            "OMP_NUM_THREADS": str(threads),
            # The leases count as NVML does, by bus; CUDA would count the fastest first.
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "CUDA_VISIBLE_DEVICES": ",".join(str(index) for index in claim.gpus),
        },
        grace_seconds=grace_seconds,
        time_limit_seconds=claim.time_limit_seconds,
        warm_entry=TRAINERS if recipe.warm_start else None,
    )


def _resolved_there(resolved: ResolvedRun, there: Callable[[Path], Path]) -> dict[str, Any]:
    """Returns the fields of `resolved` with every path as the executor's place sees it."""
    models = {field: str(there(Path(name))) if name[:1] == "/" else name for field, name in resolved.models.items()}
    datasets = {field: {**data.model_dump(), "path": there(data.path)} for field, data in resolved.datasets.items()}
    folders = {field: there(folder) for field, folder in resolved.folders.items()}
    output_dir = resolved.output_dir and there(resolved.output_dir)
    moved = {"models": models, "datasets": datasets, "folders": folders, "output_dir": output_dir}
    return {**resolved.model_dump(), **moved}


def _end_last_line(events: Path) -> None:
    """End the line that a killed trainer left half written, or the next one's first line would be spoilt by it."""
    if not events.exists() or events.stat().st_size == 0:
        return
    with events.open("r+b") as file:
        file.seek(-1, 2)
        if file.read(1) != b"\n":
            file.write(b"\n")
