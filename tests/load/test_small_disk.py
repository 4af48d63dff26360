"""A home on a disk that fills up: what needs space is refused, what helps gets through, and no run is lost."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from finery.contracts.layout import HomeDirectory
from finery.contracts.status import Reason, RunStatus
from tests.load import programs
from tests.load.client import Answer, Client
from tests.load.kinds import LOAD, on_each_database
from tests.load.world import World, wait_until
from tests.small_disk import fill, small_disk

SIZE = "48m"
AT_ONCE = 120
TRAINING = {"model_name": "finery/tiny-llama", "dataset_path": "rows.jsonl"}
FILLS = """
with open('filling', 'wb', buffering=0) as file:
    while file.write(b'x' * 4096):
        pass
"""

pytestmark = LOAD


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "home", SIZE) as place:
        yield place


@pytest.fixture
def environment() -> dict[str, str]:
    return {"FINERY_CPU_SLOTS": "2"}


class TestFullDisk:
    @pytest.fixture
    def environment(self) -> dict[str, str]:
        """One slot, which is taken: a run that began now would be put back, and that gives up what is kept back."""
        return {"FINERY_CPU_SLOTS": "1"}

    @on_each_database("sqlite")
    def test_is_told_of_cancels_get_through_and_it_passes(self, world: World) -> None:
        running = world.create(programs.until(world.home / "never", mark=world.home / "first"))
        wait_until((world.home / "first").exists, "it runs", 30.0)
        wait_until(HomeDirectory(world.home).reserve.exists, "space is kept back", 30.0)
        filler = fill(world.home)
        answers = asyncio.run(self._send(world))
        # A database on another disk takes what needs no file.
        assert {answer.status for answer in answers} <= ({507} if world.kind == "sqlite" else {200, 201, 507})
        assert all(is_told(answer) for answer in answers if answer.status == 507)
        world.accepted += [run_id_of(answer) for answer in answers if answer.status != 507]
        assert upload(world) == 507
        assert httpx.post(f"{world.server.url}/api/v1/runs/{running}/cancel", timeout=30.0).status_code == 200
        assert world.wait_for_end(running) == RunStatus.CANCELLED
        filler.unlink()
        assert upload(world) == 200
        # What was accepted meanwhile waits, trainings too.
        world.settle()
        mark = world.home / "mark"
        assert world.wait_for_end(world.create(programs.once(mark))) == RunStatus.SUCCEEDED
        assert mark.read_text() == "x"

    async def _send(self, world: World) -> list[Answer]:
        async with Client(world.server.url) as client:
            return await asyncio.gather(*(client.ask("POST", *creation(number)) for number in range(AT_ONCE)))


class TestRunThatFillsTheDisk:
    @on_each_database()
    def test_ends_with_that_reason(self, world: World) -> None:
        other = world.create(programs.until(world.home / "release", mark=world.home / "mark"))
        wait_until((world.home / "mark").exists, "another run goes on", 30.0)
        argv = [sys.executable, "-S", "-c", FILLS]
        run_id = world.create({"recipe": "command", "config": {"argv": argv}})
        assert world.wait_for_end(run_id) == RunStatus.FAILED
        run = httpx.get(f"{world.server.url}/api/v1/runs/{run_id}", timeout=30.0).json()
        assert run["reason"] == Reason.DISK_FULL
        (world.home / "filling").unlink()
        (world.home / "release").touch()
        assert world.wait_for_end(other) == RunStatus.SUCCEEDED


def creation(number: int) -> tuple[str, dict[str, Any]]:
    """In one dialect or another."""
    match number % 3:
        case 0:
            return "/api/v1/runs", {"recipe": "command", "config": {"argv": ["true"]}}
        case 1:
            return "/jobs", {"job_id": f"late-{number}", "model_name": "m", "dataset": "d"}
        case _:
            return "/train/sft", {**TRAINING, "output_dir": f"outputs/late-{number}"}


def is_told(answer: Answer) -> bool:
    """In the native dialect's words, or in the jobs dialect's."""
    told = answer.body.get("error", {}).get("message") or answer.body.get("detail") or ""
    return "disk is full" in told


def run_id_of(answer: Answer) -> str:
    return str(answer.body.get("id") or answer.body["job_id"])


def upload(world: World) -> int:
    files = {"file": ("rows.jsonl", b'{"prompt": "a", "completion": "b"}\n' * 1000)}
    return httpx.post(f"{world.server.url}/upload/dataset", files=files, timeout=30.0).status_code
