"""An executor without processes: attempts do as their script says, or as the test says.

executor = FakeExecutor()                          # attempts live until they are ended
executor = FakeExecutor(script=lambda launch: Script(exit_code=0))
executor.end(handle, exit_code=1)                  # the process ends
executor.lose(handle)                              # its minder vanishes
executor.write(handle, "events.jsonl", b"...")     # the process appends to a file of the run directory
executor.reachable = False                         # poll answers Unknown, the other verbs raise Unreachable
executor.refuse = "no memory"                      # submit raises SubmitFailed
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from finery.contracts.process import (
    Alive,
    Exit,
    Exited,
    Handle,
    Launch,
    Lost,
    Observation,
    Outcome,
    Starting,
    Unknown,
)
from finery.executors.base import NotYet, SubmitFailed, Unreachable

CONTROLS = {"checkpoint", "validate", "stop", "pause"}

Key = tuple[Path, int]


@dataclass(frozen=True)
class Script:
    """What an attempt does. Without an end of its own it lives until it is stopped or ended."""

    exit_code: int | None = None
    start_error: str | None = None
    start_errno: int | None = None
    outcome: Outcome | None = None
    ignores_sigterm: bool = False
    exit_code_on_sigterm: int | None = None
    """None: the signal ends it."""
    starting: bool = False
    """Stays Starting until `begin`."""
    files: dict[str, bytes] = field(default_factory=dict)


class FakeExecutor:
    """Keeps every promise of executors.base; see the module for what a test can make it do."""

    python = sys.executable

    def __init__(
        self, script: Callable[[Launch], Script] = lambda launch: Script(), clock: Callable[[], float] = time.time
    ) -> None:
        self.submitted: list[Launch] = []
        """The launches that started an attempt, in order."""
        self.stopped: list[tuple[Handle, float]] = []
        self.controlled: list[tuple[Handle, str]] = []
        self.swept: list[Handle] = []
        self.reachable = True
        self.refuse: str | None = None
        self.lacks: int | None = None
        """An errno: submit raises SubmitFailed because of it."""
        self._script = script
        self._clock = clock
        self._lock = threading.RLock()
        self._attempts: dict[Key, _Attempt] = {}
        self._graces: dict[Key, float] = {}
        self._files: dict[tuple[Path, str], bytes] = {}

    def path_there(self, path: Path) -> Path:
        return path

    def path_here(self, path: Path) -> Path:
        return path

    def submit(self, launch: Launch) -> Handle:
        with self._lock:
            self._reach()
            if self.refuse is not None:
                raise SubmitFailed(self.refuse)
            if self.lacks is not None:
                raise SubmitFailed("the process could not be started") from OSError(self.lacks, os.strerror(self.lacks))
            handle = Handle(directory=launch.directory, attempt=launch.attempt, details={"fake": True})
            if _key(handle) not in self._attempts:
                self._start(handle, launch)
            return handle

    def poll(self, handle: Handle) -> Observation:
        with self._lock:
            if not self.reachable:
                return Unknown(detail="the fake is out of reach")
            attempt = self._attempts.get(_key(handle))
            if attempt is None:
                return Lost(detail="the attempt was never submitted")
            attempt.pass_time(self._clock())
            return attempt.observation

    def stop(self, handle: Handle, grace_seconds: float) -> None:
        with self._lock:
            self._reach()
            self.stopped.append((handle, grace_seconds))
            attempt = self._attempts.get(_key(handle))
            if attempt is None:
                self._graces[_key(handle)] = grace_seconds
            else:
                attempt.ask_to_end(self._clock(), grace_seconds)

    def read(self, handle: Handle, file: str, offset: int, limit: int) -> bytes:
        parts = PurePosixPath(file).parts
        if not parts or parts[0] == "/" or ".." in parts or "\0" in file:
            raise ValueError(f"{file!r} is not the name of a file in the run directory")
        with self._lock:
            self._reach()
            if (handle.directory, file) not in self._files:
                raise NotYet(f"{file} is not there yet")
            return self._files[handle.directory, file][offset : offset + limit]

    def control(self, handle: Handle, name: str) -> None:
        if name not in CONTROLS:
            raise ValueError(f"a trainer knows no request {name!r}")
        with self._lock:
            self._reach()
            self.controlled.append((handle, name))
            self._files.setdefault((handle.directory, f"control/{name}"), b"")

    def sweep(self, handle: Handle) -> int:
        with self._lock:
            self._reach()
            self.swept.append(handle)
            attempt = self._attempts.get(_key(handle))
            if attempt is None or not attempt.leaves_processes:
                return 0
            attempt.leaves_processes = False
            if not isinstance(attempt.observation, Exited):
                attempt.observation = Lost(detail="it was swept")
            return 1

    def sweep_strays(self, live: Collection[str]) -> int:
        return 0

    def begin(self, handle: Handle) -> None:
        """A starting attempt's process is there now."""
        with self._lock:
            self._attempts[_key(handle)].begin(self._clock())

    def end(self, handle: Handle, **fields: Any) -> None:
        """The process ends; `fields` are Exit's."""
        with self._lock:
            self._attempts[_key(handle)].end(self._clock(), **fields)

    def lose(self, handle: Handle, *, leaves_processes: bool = True) -> None:
        with self._lock:
            attempt = self._attempts[_key(handle)]
            attempt.observation = Lost(detail="its minder is gone")
            attempt.leaves_processes = leaves_processes

    def hold(self, handle: Handle, stopped: bool = True) -> None:
        """SIGSTOP, or SIGCONT."""
        with self._lock:
            attempt = self._attempts[_key(handle)]
            attempt.observation = Alive(started_at=attempt.started_at, stopped=stopped)

    def write(self, handle: Handle, file: str, data: bytes) -> None:
        """Append to a file of the run directory."""
        with self._lock:
            self._files[handle.directory, file] = self._files.get((handle.directory, file), b"") + data

    def _start(self, handle: Handle, launch: Launch) -> None:
        self.submitted.append(launch)
        script = self._script(launch)
        attempt = self._attempts[_key(handle)] = _Attempt(launch, script)
        if _key(handle) in self._graces:
            attempt.end(self._clock(), signal=15, terminated=True, started_at=None)
        elif script.start_error is not None:
            attempt.end(self._clock(), start_error=script.start_error, start_errno=script.start_errno, started_at=None)
        else:
            for name, data in script.files.items():
                self.write(handle, name, data)
            if not script.starting:
                attempt.begin(self._clock())

    def _reach(self) -> None:
        if not self.reachable:
            raise Unreachable("the fake is out of reach")


class _Attempt:
    def __init__(self, launch: Launch, script: Script) -> None:
        self.observation: Observation = Starting()
        self.leaves_processes = True
        self.started_at = 0.0
        self._launch = launch
        self._script = script
        self._kill_at: float | None = None
        self._account: dict[str, Any] = {}

    def begin(self, now: float) -> None:
        self.started_at = now
        self.observation = Alive(started_at=now)
        if self._script.exit_code is not None:
            self.end(now, exit_code=self._script.exit_code, outcome=self._script.outcome)

    def pass_time(self, now: float) -> None:
        limit = self._launch.time_limit_seconds
        if limit is not None and self._kill_at is None and now >= self.started_at + limit:
            self._terminate(now, self._launch.grace_seconds, timed_out=True)
        if self._kill_at is not None and now >= self._kill_at:
            self.end(now, signal=9)

    def ask_to_end(self, now: float, grace_seconds: float) -> None:
        self._terminate(now, grace_seconds, terminated=True)
        self.pass_time(now)

    def end(self, now: float, **fields: Any) -> None:
        if isinstance(self.observation, Starting | Alive):
            account = {"exit_code": None, "started_at": self.started_at, "finished_at": now, **self._account, **fields}
            self.observation = Exited(exit=Exit(**account))
            self.leaves_processes = False

    def _terminate(self, now: float, grace_seconds: float, **account: bool) -> None:
        if isinstance(self.observation, Starting):
            self.end(now, signal=15, started_at=None, **account)
        if self._kill_at is None:
            self._account = dict(account)
        self._kill_at = min(now + grace_seconds, self._kill_at or now + grace_seconds)
        if not self._script.ignores_sigterm:
            code = self._script.exit_code_on_sigterm
            self.end(now, exit_code=code, signal=15 if code is None else None)


def _key(handle: Handle) -> Key:
    return handle.directory, handle.attempt
