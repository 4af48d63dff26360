"""A grader that is a program: one process for all of a run's answers, with limits, replaced when it dies."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SANDBOX = Path(__file__).with_name("sandbox.py")
LONGEST_ANSWER = 16 * 1024
ENVIRONMENT = {
    "LANG": "C.UTF-8",
    # The process may not have threads, and the libraries of linear algebra start some when they are imported.
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
}


@dataclass(frozen=True)
class Limits:
    """For each answer, but for memory and files, which hold for the process."""

    seconds: float = 10.0
    cpu_seconds: int = 10
    start_seconds: float = 30.0
    memory_bytes: int = 2 * 2**30
    open_files: int = 32


class ProgramFailed(Exception):
    """The program gave no score; why is in the message."""


class ProgramNotStarted(Exception):
    """Its process does not start, or the program cannot be loaded."""


class PythonProgram:
    """`grade(sample, item)` of a source text."""

    def __init__(self, source: str, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._folder = tempfile.TemporaryDirectory(prefix="finery-grader-")
        self._program = Path(self._folder.name) / "grader.py"
        self._program.write_text(source, encoding="utf-8")
        # The program may run as another user, who must be able to read it.
        Path(self._folder.name).chmod(0o755)
        self._process: subprocess.Popen[bytes] | None = None
        self.open_ways: list[str] = []
        """Of network, files and processes, what this machine cannot close off. Known once it has been started."""

    def start(self) -> None:
        """Started already is fine. Raises ProgramNotStarted."""
        if self._process is not None:
            return
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(SANDBOX), str(self._program), json.dumps(asdict(self._limits))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=self._folder.name,
                env=ENVIRONMENT,
                start_new_session=True,
            )
            told = self._read(self._process, self._limits.start_seconds)
        except (OSError, ProgramFailed) as error:
            self._kill()
            raise ProgramNotStarted(f"the program could not be loaded: {error}") from error
        if "ready" not in told:
            self._kill()
            raise ProgramNotStarted(f"the program could not be loaded: {told.get('error')}")
        self.open_ways = [way for way, closed in told["guards"].items() if not closed]

    def grade(self, sample: dict[str, Any], item: dict[str, Any]) -> float:
        """Finite. Raises ProgramFailed, ProgramNotStarted."""
        self.start()
        assert self._process is not None
        request = json.dumps({"sample": sample, "item": item}).encode() + b"\n"
        try:
            told = self._ask(self._process, request)
        except ProgramFailed:
            self._kill()
            raise
        score = told.get("score")
        if not isinstance(score, int | float) or score != score:
            raise ProgramFailed(str(told.get("error", "the answer holds no score"))[:500])
        return float(score)

    def close(self) -> None:
        self._kill()
        self._folder.cleanup()

    def _ask(self, process: "subprocess.Popen[bytes]", request: bytes) -> dict[str, Any]:
        assert process.stdin is not None
        deadline = time.monotonic() + self._limits.seconds
        descriptor = process.stdin.fileno()
        os.set_blocking(descriptor, False)
        while request:
            if not select.select([], [descriptor], [], max(0.0, deadline - time.monotonic()))[1]:
                raise ProgramFailed(f"took longer than {self._limits.seconds:g} seconds")
            try:
                request = request[os.write(descriptor, request) :]
            except OSError as error:
                raise ProgramFailed(self._end_of(process)) from error
        return self._read(process, deadline - time.monotonic())

    def _read(self, process: "subprocess.Popen[bytes]", seconds: float) -> dict[str, Any]:
        """A line of JSON. Raises ProgramFailed."""
        assert process.stdout is not None
        deadline = time.monotonic() + seconds
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise ProgramFailed(f"took longer than {self._limits.seconds:g} seconds")
            piece = os.read(process.stdout.fileno(), LONGEST_ANSWER)
            line += piece
            if not piece:
                raise ProgramFailed(self._end_of(process))
            if len(line) > LONGEST_ANSWER:
                raise ProgramFailed("answered with more than a score")
        try:
            told = json.loads(line)
        except ValueError as error:
            raise ProgramFailed("answered with what is no score") from error
        return told if isinstance(told, dict) else {}

    def _end_of(self, process: "subprocess.Popen[bytes]") -> str:
        """Why a process ended by itself."""
        try:
            code = process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return "closed its streams"
        if code == -signal.SIGXCPU:
            return f"used more than {self._limits.cpu_seconds} seconds of the processor"
        return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
