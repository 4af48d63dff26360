"""One real training, killed again and again, that must come to its end with every step and a whole model."""

import shutil
import signal
import time
from pathlib import Path
from typing import Any

import httpx

from finery.contracts.events import Event, EventType
from finery.contracts.layout import OUTPUT_MARKER, HomeDirectory
from finery.kit.files import read_json
from tests.builders import SAMPLES
from tests.soak.acts import pause
from tests.soak.verdict import Verdict, events_of
from tests.soak.world import RoundBroken, World, open_database

STEPS, SAVE_STEPS = 120, 5
PATIENCE_SECONDS = 600.0
GRADER = {
    "type": "string_check",
    "name": "letter",
    "input": "{{sample.output_text}}",
    "reference": "e",
    "operation": "like",
}
COMMON: dict[str, Any] = {
    "model_name": "finery/tiny-llama",
    "dataset_path": "rows.jsonl",
    "output_dir": "outputs/soak",
    "max_steps": STEPS,
    "save_steps": SAVE_STEPS,
    "batch_size": 1,
    "max_length": 64,
}
ROWS = {"sft": "instructions", "cpt": "corpus", "dpo": "preferences", "reward": "preferences", "kto": "feedback"}
OWN: dict[str, dict[str, Any]] = {
    "grpo": {"grader": GRADER, "max_completion_length": 4, "n_generations": 2},
    "kto": {"batch_size": 2},
}


def submit(world: World, recipe: str) -> str:
    """The run's id."""
    rows = world.home / "rows.jsonl"
    if recipe == "grpo":
        rows.write_text('{"messages": [{"role": "user", "content": "Who keeps the fire?"}]}\n' * 8)
    else:
        shutil.copy(SAMPLES / f"{ROWS[recipe]}.jsonl", rows)
    body = {"recipe": recipe, "config": {**COMMON, **OWN.get(recipe, {})}}
    answer = httpx.post(f"{world.address}/api/v1/runs", json=body, timeout=60, trust_env=False)
    if answer.status_code != 201:
        raise RoundBroken(f"{recipe} was refused: {answer.text[:1000]}")
    return str(answer.json()["id"])


def upset(world: World, run_id: str) -> bool:
    """Once it has saved a checkpoint since the last time: trainer, shim, or shim and server are killed, or it is
    stopped and continued. False where it had ended before."""
    if not _wait_for_checkpoint(world, run_id):
        return False
    pause(world, 1.0)
    victims = world.live_attempt()
    if victims is None:
        return False
    match world.random.choice(("trainer", "shim", "both", "stop")):
        case "trainer":
            return world.signal(run_id, "trainer", victims.trainer, signal.SIGKILL)
        case "shim":
            return world.signal(run_id, "shim", victims.shim, signal.SIGKILL)
        case "both":
            world.kill_server()
            is_killed = world.signal(run_id, "shim", victims.shim, signal.SIGKILL)
            world.start()
            world.wait_until_up()
            return is_killed
        case _:
            is_stopped = world.signal(run_id, "trainer", victims.trainer, signal.SIGSTOP)
            pause(world, 3.0)
            world.signal(run_id, "trainer", victims.trainer, signal.SIGCONT)
            return is_stopped


def _wait_for_checkpoint(world: World, run_id: str) -> bool:
    """A whole one past those that are there; False when the run has ended first."""
    directory = HomeDirectory(world.home).run(run_id)
    known, deadline = directory.last_checkpoint(), time.monotonic() + PATIENCE_SECONDS
    while directory.last_checkpoint() == known:
        if _has_ended(world, run_id):
            return False
        if time.monotonic() > deadline:
            raise RoundBroken(f"run {run_id} saved no checkpoint for {PATIENCE_SECONDS:g} s")
        time.sleep(0.1)
    return True


def _has_ended(world: World, run_id: str) -> bool:
    answer = httpx.get(f"{world.address}/api/v1/runs/{run_id}", timeout=60, trust_env=False)
    return answer.is_success and answer.json()["finished_at"] is not None


def judge_training(world: World, run_id: str, verdict: Verdict) -> None:
    database = open_database(world)
    events = events_of(database, run_id)
    database.dispose()
    ended = [one.data.as_json() for one in events if one.type is EventType.STATUS][-1]
    verdict.blame("wrong end", [] if ended["to"] == "succeeded" else [f"{run_id}: {ended}"])
    verdict.blame("training without one of its steps", _missing_steps(events))
    marker = read_json(world.home / "outputs" / "soak" / OUTPUT_MARKER)
    is_ours = isinstance(marker, dict) and run_id in str(marker)
    weights = list(Path(world.home / "outputs" / "soak").glob("*.safetensors"))
    verdict.blame("training without its model", [] if is_ours and weights else [f"{run_id}: {marker}"])


def _missing_steps(events: list[Event]) -> list[str]:
    seen = {one.data.as_json().get("step") for one in events if one.type is EventType.PROGRESS}
    return [f"step {step}" for step in range(1, STEPS + 1) if step not in seen]
