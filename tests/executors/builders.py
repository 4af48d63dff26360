"""Launches of the test program, and waiting no longer than needed."""

import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from finery.contracts.layout import AttemptDirectory, RunDirectory
from finery.contracts.process import Exit, Exited, Handle, Launch, Observation
from finery.executors.base import Executor, NotYet

PROGRAMS = Path(__file__).parent / "programs"

T = TypeVar("T")


def launch(directory: Path, behaviour: str, attempt: int = 1, **changes: Any) -> Launch:
    return Launch(
        **{
            "mark": f"{uuid.uuid4()}/{attempt}",
            "directory": directory,
            "attempt": attempt,
            "argv": [sys.executable, "-S", str(PROGRAMS / "behave.py"), behaviour],
            "working_directory": directory,
            "log_file": directory / "logs" / "run.log",
            **changes,
        }
    )


def bare(launch: Launch) -> Handle:
    """The handle of who never saw the submission's answer."""
    return Handle(directory=launch.directory, attempt=launch.attempt)


def until(condition: Callable[[], T], seconds: float = 20.0) -> T:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
    return value


def until_started(executor: Executor, handle: Handle) -> Observation:
    """The observation made once the program has said that it runs."""
    until(lambda: _has_begun(executor, handle))
    return executor.poll(handle)


def until_exited(executor: Executor, handle: Handle) -> Exit:
    seen: list[Exited] = []

    def look() -> bool:
        observation = executor.poll(handle)
        if isinstance(observation, Exited):
            seen.append(observation)
        return bool(seen)

    until(look)
    return seen[0].exit


def until_is(executor: Executor, handle: Handle, kind: type[Observation]) -> Observation:
    until(lambda: isinstance(executor.poll(handle), kind))
    return executor.poll(handle)


def child_pid(launch: Launch) -> int:
    file = launch.directory / "child.pid"
    until(lambda: file.exists() and file.read_text())
    return int(file.read_text())


def attempt_files(launch: Launch) -> AttemptDirectory:
    return RunDirectory(launch.directory).attempt(launch.attempt)


def _has_begun(executor: Executor, handle: Handle) -> bool:
    try:
        return executor.read(handle, "started", 0, 4) == b"once"
    except NotYet:
        return False
