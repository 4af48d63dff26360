"""From a claim to what an executor starts."""

import sys
from collections.abc import Mapping
from pathlib import Path

from finery.contracts.layout import HomeDirectory, mark_of
from finery.contracts.machine import Machine
from finery.contracts.process import Launch
from finery.contracts.recipes import RECIPES, Recipe
from finery.contracts.spec import RunSpec
from finery.domain.runs.claims import Claim
from finery.executors.base import SubmitFailed
from finery.kit.files import write_json

TRAINERS = "finery.trainers"
LARGE_ALLOCATION = "4000000000"
"""Bytes. Keeps the C library from giving memory back between steps: 17 % less CPU time on a tiny model."""

QUIET: dict[str, str] = {
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


def render_launch(
    claim: Claim, home: HomeDirectory, home_id: str, machine: Machine, grace_seconds: float, secrets: Mapping[str, str]
) -> Launch:
    """Write the run directory's spec.json and describe the attempt. Raises OSError when the disk refuses, and
    SubmitFailed for a recipe that is not known any more.

    The values of `secrets` go into the launch's environment and nowhere else.
    """
    recipe = RECIPES.get(claim.recipe)
    if recipe is None:
        raise SubmitFailed(f"this server knows no recipe {claim.recipe!r}")
    directory = home.run(claim.run_id)
    attempt = directory.attempt(claim.ref.attempt)
    for folder in (directory.control, directory.checkpoints, attempt.path, home.run_log(claim.run_id).parent):
        folder.mkdir(parents=True, exist_ok=True)
    threads = max(1, machine.cpu_count // machine.cpu_slots) * max(1, claim.cpu_slots)
    write_json(directory.spec, _spec(claim, recipe, home, threads, sorted(secrets)).model_dump(mode="json"))
    _mend_last_line(directory.events)
    _forget_controls(directory.control)
    return Launch(
        mark=mark_of(home_id, directory.path, claim.ref.attempt),
        directory=directory.path,
        attempt=claim.ref.attempt,
        argv=[sys.executable, "-m", TRAINERS, str(directory.path)],
        working_directory=home.path,
        log_file=home.run_log(claim.run_id),
        environment={**secrets, **_environment(claim, attempt.path, threads)},
        grace_seconds=grace_seconds,
        time_limit_seconds=claim.time_limit_seconds,
        warm_entry=TRAINERS if recipe.warm_start else None,
    )


def _spec(claim: Claim, recipe: Recipe, home: HomeDirectory, threads: int, secrets: list[str]) -> RunSpec:
    resolved = claim.resolved.model_dump() | {"secrets": secrets, "customary_secrets": []}
    return RunSpec(
        **resolved,
        run_id=claim.run_id,
        recipe=recipe.name,
        trainer=recipe.trainer,
        config=claim.config,
        home=home.path,
        models_cache=home.models,
        gpus=claim.gpus,
        cpu_threads=threads,
    )


def _environment(claim: Claim, attempt: Path, threads: int) -> dict[str, str]:
    return {
        **QUIET,
        "FINERY_ATTEMPT_DIR": str(attempt),
        "OMP_NUM_THREADS": str(threads),
        # The leases count as NVML does, by bus; CUDA would count the fastest first.
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": ",".join(str(index) for index in claim.gpus),
    }


def _mend_last_line(events: Path) -> None:
    """A trainer that was killed in the middle of a line must not spoil the next one's first."""
    if not events.exists() or events.stat().st_size == 0:
        return
    with events.open("r+b") as file:
        file.seek(-1, 2)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _forget_controls(control: Path) -> None:
    """Requests that an earlier attempt did not get to; what still holds is an intent, and is delivered anew."""
    for request in control.iterdir():
        request.unlink(missing_ok=True)
