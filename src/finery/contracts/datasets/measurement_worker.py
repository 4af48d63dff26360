"""Datasets measured one after another, in a process of the training stack that stays for a while."""

import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from typing import Any

from finery.contracts.datasets.measurement import MEASURED, MeasurementRequest, MeasurementResult, NotMeasured
from finery.contracts.datasets.measurement_program import OFFLINE, QUIET, missing_library
from finery.kit.one_shot_program import passed_environment

SECONDS = 20.0
"""Of one dataset, of which a sample is measured where it is large."""
START_SECONDS = 120.0
IDLE_SECONDS = 600.0
"""After which the process, which holds some 350 MB, ends."""
MOST_WAITING = 100
FORKING = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}
"""A thread that a library starts when it is imported would not be there in the processes that are forked."""
PIECE = 2**16


class NotNow(Exception):
    """It can be asked again later: too many others wait, or the server is being stopped."""


class MeasurementWorker:
    """Any thread may ask; nothing is started before somebody does. It asks no hub for anything."""

    def __init__(self, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._waiting: dict[str, Future[MeasurementResult]] = {}
        """By what was asked: who asks the same waits for the same."""
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._is_ready = False

    @property
    def is_ready(self) -> bool:
        """Whether its process has its libraries, so that a small dataset takes less than a second."""
        return self._is_ready

    @property
    def waiting(self) -> int:
        """How many have not been measured yet."""
        return len(self._waiting)

    def submit(self, request: MeasurementRequest) -> "Future[MeasurementResult]":
        """Returns at once. What goes wrong is a result, NotMeasured; only NotNow is raised, here or by the result."""
        if (missing := missing_library()) is not None:
            return _done(NotMeasured(reason=f"the training stack is not installed here ({missing} is missing)"))
        asked = request.model_dump_json()
        with self._lock:
            if self._stopping:
                raise NotNow
            if asked in self._waiting:
                return self._waiting[asked]
            if len(self._waiting) >= MOST_WAITING:
                raise NotNow
            future: Future[MeasurementResult] = Future()
            self._waiting[asked] = future
            self._queue.put(asked)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="finery-measurer", daemon=True)
                self._thread.start()
        return future

    def stop(self) -> None:
        """End the process, until somebody asks again; the results that are waited for raise NotNow."""
        with self._lock:
            thread = self._thread
            if thread is None:
                return
            self._stopping = True
            self._queue.put(None)
            if self._process is not None:
                self._process.kill()
        thread.join()

    def _work(self) -> None:
        while True:
            try:
                asked = self._queue.get(timeout=self._idle_seconds)
            except queue.Empty:
                asked = None
            if (asked is None or self._stopping) and self._may_end():
                return
            if asked is not None:
                self._hand_over(asked, self._measured(asked))

    def _hand_over(self, asked: str, found: MeasurementResult) -> None:
        with self._lock:
            future, stopping = self._waiting.pop(asked), self._stopping
        if stopping and isinstance(found, NotMeasured):
            future.set_exception(NotNow())
        else:
            future.set_result(found)

    def _may_end(self) -> bool:
        """Ends the process, unless something came in this very moment."""
        with self._lock:
            if not self._stopping and not self._queue.empty():
                return False
            left, self._waiting = self._waiting, {}
            self._queue = queue.Queue()
            self._thread, self._stopping, self._is_ready = None, False, False
            process, self._process = self._process, None
        if process is not None:
            _kill(process)
        for future in left.values():
            future.set_exception(NotNow())
        return True

    def _measured(self, asked: str) -> MeasurementResult:
        try:
            told = self._asked(asked)
            if "answer" in told:
                return MEASURED.validate_python(told["answer"])
        except (OSError, ValueError) as error:
            self._end()
            return NotMeasured(reason=f"measuring failed: {error}")
        return NotMeasured(reason=f"measuring failed: {told.get('failed')}")

    def _asked(self, asked: str) -> dict[str, Any]:
        """Raises OSError, ValueError."""
        process = self._started()
        assert process.stdin is not None
        process.stdin.write(b'{"seconds": %g, "request": %s}\n' % (SECONDS, asked.encode()))
        process.stdin.flush()
        # It keeps the time itself.
        return _line(process, 2 * SECONDS)

    def _started(self) -> "subprocess.Popen[bytes]":
        """Raises OSError, ValueError."""
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "finery.trainers.measuring_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=passed_environment() | QUIET | OFFLINE | FORKING,
            start_new_session=True,
        )
        with self._lock:
            self._process = process
            if self._stopping:
                process.kill()
        _line(process, START_SECONDS)
        self._is_ready = True
        return process

    def _end(self) -> None:
        with self._lock:
            process, self._process, self._is_ready = self._process, None, False
        if process is not None:
            _kill(process)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        # Its children are in its session.
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        # What was left to write to one that had gone is of no use any more.
        with contextlib.suppress(BrokenPipeError):
            stream.close()


def _line(process: "subprocess.Popen[bytes]", seconds: float) -> dict[str, Any]:
    """Raises OSError, also where it has ended or takes too long, and ValueError for what is no JSON."""
    assert process.stdout is not None
    deadline, line = time.monotonic() + seconds, b""
    while not line.endswith(b"\n"):
        if not select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError(f"its process did not answer for {seconds:g} seconds")
        piece = os.read(process.stdout.fileno(), PIECE)
        if not piece:
            raise ConnectionError("its process has ended")
        line += piece
    told: dict[str, Any] = json.loads(line)
    return told


def _done(found: MeasurementResult) -> "Future[MeasurementResult]":
    future: Future[MeasurementResult] = Future()
    future.set_result(found)
    return future
