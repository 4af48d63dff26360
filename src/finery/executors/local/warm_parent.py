"""Keeps a warm parent running (see warm.py) and has it fork attempts: the server's side of the warm start."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from finery.contracts.layout import MARK_VARIABLE, shim_mark
from finery.executors.local.channel import read_line, write_line
from finery.executors.local.environment import base_environment, early, failpoint_environment

NEEDED_BYTES = 4 * 1024**3

FIRST_BACK_OFF_SECONDS = 1.0
LAST_BACK_OFF_SECONDS = 300.0
HEALTHY_SECONDS = 60.0
"""One that lived this long before it died starts again without the earlier back-off."""

MARK_BYTES = 512
"""Room for a mark in the warm parent's environment; a forked process writes its own over it."""

QUIET_LIBRARIES = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}
"""NumPy and PyArrow start threads when imported, torch starts the CUDA driver; neither survives a fork."""


class WarmParent:
    """A process that has imported the training stack and forks attempts from it.

    It only accelerates: whatever happens to it, `fork` returns None and the attempt starts cold.
    """

    def __init__(
        self,
        preload: str = "finery.trainers.preload",
        *,
        python: str = sys.executable,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`environment` should equal what launches add for the libraries' sake (see `suits`)."""
        self.reason: str | None = None
        """Why there will be no warm start; None while there is one, or may be."""
        self._preload = preload
        self._python = python
        self._environment = {**base_environment(), **(environment or {})}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._ready = threading.Event()
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper = threading.Thread(target=self._keep, name="warm-parent", daemon=True)

    @staticmethod
    def affordable(available_bytes: int, needed_bytes: int = NEEDED_BYTES) -> bool:
        """Returns whether the machine has memory to spare for a process that only waits (about 0.5 GB)."""
        return available_bytes >= needed_bytes

    @property
    def ready(self) -> bool:
        return self._ready.is_set()

    def start(self) -> None:
        """Start in the background and return at once."""
        self._keeper.start()

    def wait(self, timeout: float) -> bool:
        """Returns whether it became ready within `timeout` seconds."""
        return self._ready.wait(timeout)

    def suits(self, argv: list[str], environment: Mapping[str, str]) -> bool:
        """Returns whether a process forked here equals one started by `argv`: the same Python, and the same variables
        that are read at import."""
        return (
            self.ready
            and argv[:1] == [self._python]
            and early(environment) == early(self._environment)
            and len(shim_mark(environment[MARK_VARIABLE]).encode()) <= MARK_BYTES
        )

    def fork(self, attempt_directory: Path, timeout: float = 2.0) -> int | None:
        """Have a shim forked for the attempt and return its pid; None when that was refused or took too long.

        After None a shim may start all the same: start the cold one regardless, the lock admits one of them.
        """
        with self._lock:
            if not self.ready or self._channel is None:
                return None
            try:
                self._channel.settimeout(timeout)
                write_line(self._channel, {"attempt_directory": str(attempt_directory)})
                answer = read_line(self._channel)
            except OSError:
                # An answer that comes late must not be taken for the next one's.
                answer = {}
            if "pid" not in answer:
                self._end()
            return answer.get("pid")

    def close(self) -> None:
        """End the warm parent; what was forked from it goes on."""
        self._closed.set()
        with self._lock:
            self._end()
        if self._keeper.is_alive():
            self._keeper.join()

    def _keep(self) -> None:
        back_off = FIRST_BACK_OFF_SECONDS
        while not self._closed.is_set() and self.reason is None:
            began = time.monotonic()
            try:
                self._run_once()
            except OSError as error:
                self.reason = f"the warm parent could not be started: {error}"
            if time.monotonic() - began >= HEALTHY_SECONDS:
                back_off = FIRST_BACK_OFF_SECONDS
            self._closed.wait(back_off)
            back_off = min(2 * back_off, LAST_BACK_OFF_SECONDS)

    def _run_once(self) -> None:
        """Start a warm parent and wait for its end."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                process = self._launch(theirs)
            with self._lock:
                self._process = process
                if self._closed.is_set():
                    process.kill()
            self._await_ready(ours)
            process.wait()
            with self._lock:
                self._ready.clear()
                self._channel = None

    def _launch(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [self._python, "-P", "-m", "finery.executors.local.warm", "--preload", self._preload],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={**self._environment, **QUIET_LIBRARIES, **failpoint_environment(), MARK_VARIABLE: "-" * MARK_BYTES},
            start_new_session=True,
        )

    def _await_ready(self, ours: socket.socket) -> None:
        """Wait until it has imported everything, or says why it cannot."""
        answer = read_line(ours)
        if "unavailable" in answer:
            self.reason = answer["unavailable"]
        elif "ready" in answer:
            self._channel = ours
            self._ready.set()

    def _end(self) -> None:
        self._ready.clear()
        if self._process is not None:
            self._process.kill()
