"""Runs a `python` grader's program: one sandboxed process for all of a run's answers, replaced when it dies."""

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
    # The sandbox forbids threads, which the libraries of linear algebra would start when they are imported.
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
}


@dataclass(frozen=True)
class Limits:
    """The limits of each answer; those of memory and files are the process's."""

    seconds: float = 10.0
    cpu_seconds: int = 10
    start_seconds: float = 30.0
    memory_bytes: int = 2 * 2**30
    open_files: int = 32


class ProgramFailed(Exception):
    """The program gave no score; the message says why."""


class ProgramNotStarted(Exception):
    """The process does not start, or the program cannot be loaded."""


class PythonProgram:
    """Calls `grade(sample, item)` of a source text in a sandboxed process."""

    def __init__(self, source: str, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._folder = tempfile.TemporaryDirectory(prefix="finery-grader-")
        self._program = Path(self._folder.name) / "grader.py"
        self._program.write_text(source, encoding="utf-8")
        # The sandbox may run as the user nobody, who must be able to read the program.
        Path(self._folder.name).chmod(0o755)
        self._process: subprocess.Popen[bytes] | None = None
        self.open_ways: list[str] = []
        """Those of network, files and processes that this machine cannot close off. Known once it has been started."""

    def start(self) -> None:
        """Starts the process unless it runs. Raises ProgramNotStarted."""
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
            reply = self._read(self._process, self._limits.start_seconds)
        except (OSError, ProgramFailed) as error:
            self._kill()
            raise ProgramNotStarted(f"the program could not be loaded: {error}") from error
        if "ready" not in reply:
            self._kill()
            raise ProgramNotStarted(f"the program could not be loaded: {reply.get('error')}")
        self.open_ways = [way for way, closed in reply["guards"].items() if not closed]

    def grade(self, sample: dict[str, Any], item: dict[str, Any]) -> float:
        """Returns a finite score. Raises ProgramFailed, ProgramNotStarted."""
        self.start()
        assert self._process is not None
        request = json.dumps({"sample": sample, "item": item}).encode() + b"\n"
        try:
            reply = self._send_request(self._process, request)
        except ProgramFailed:
            self._kill()
            raise
        score = reply.get("score")
        if not isinstance(score, int | float) or score != score:
            raise ProgramFailed(str(reply.get("error", "the answer holds no score"))[:500])
        return float(score)

    def close(self) -> None:
        self._kill()
        self._folder.cleanup()

    def _send_request(self, process: "subprocess.Popen[bytes]", request: bytes) -> dict[str, Any]:
        assert process.stdin is not None
        deadline = time.monotonic() + self._limits.seconds
        descriptor = process.stdin.fileno()
        # A program that does not read would block the training once the pipe is full.
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
        """Returns the JSON of one line. Raises ProgramFailed."""
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
            reply = json.loads(line)
        except ValueError as error:
            raise ProgramFailed("answered with what is no score") from error
        return reply if isinstance(reply, dict) else {}

    def _end_of(self, process: "subprocess.Popen[bytes]") -> str:
        """Returns why a process ended by itself."""
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
