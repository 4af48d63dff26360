"""Measures datasets in tokens one after another, in a process that keeps the training stack loaded for a while."""

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
"""Time limit of one dataset; of a large one, a sample is measured."""
START_SECONDS = 120.0
IDLE_SECONDS = 600.0
"""Idle time after which the process, which takes about 350 MB, ends."""
MOST_WAITING = 100
FORKING = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}
"""Keeps libraries from starting threads at import, which would be missing in the processes that are forked."""
PIECE = 2**16


class WorkerBusy(Exception):
    """The request may be repeated later: the queue is full, or the server is stopping."""


class MeasurementWorker:
    """A thread-safe queue of measurements, none of which asks a hub. Its thread and process start with the first."""

    def __init__(self, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._waiting: dict[str, Future[MeasurementResult]] = {}
        """Request as JSON → its result: equal requests share one."""
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._is_ready = False

    @property
    def is_ready(self) -> bool:
        """Whether its process has loaded its libraries, so that a small dataset takes less than a second."""
        return self._is_ready

    @property
    def waiting(self) -> int:
        """Number of requests without a result yet."""
        return len(self._waiting)

    def submit(self, request: MeasurementRequest) -> "Future[MeasurementResult]":
        """Queues a request and returns at once. Failures are NotMeasured results; only WorkerBusy is ever raised."""
        if (missing := missing_library()) is not None:
            return _done(NotMeasured(reason=f"the training stack is not installed here ({missing} is missing)"))
        key = request.model_dump_json()
        with self._lock:
            if self._stopping:
                raise WorkerBusy
            if key in self._waiting:
                return self._waiting[key]
            if len(self._waiting) >= MOST_WAITING:
                raise WorkerBusy
            future: Future[MeasurementResult] = Future()
            self._waiting[key] = future
            self._queue.put(key)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="finery-measurer", daemon=True)
                self._thread.start()
        return future

    def stop(self) -> None:
        """Ends the process until the next request; pending results raise WorkerBusy."""
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
                request = self._queue.get(timeout=self._idle_seconds)
            except queue.Empty:
                request = None
            if (request is None or self._stopping) and self._may_end():
                return
            if request is not None:
                self._hand_over(request, self._measured(request))

    def _hand_over(self, request: str, result: MeasurementResult) -> None:
        with self._lock:
            future, stopping = self._waiting.pop(request), self._stopping
        if stopping and isinstance(result, NotMeasured):
            future.set_exception(WorkerBusy())
        else:
            future.set_result(result)

    def _may_end(self) -> bool:
        """Ends the process and returns True, unless a request came in meanwhile."""
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
            future.set_exception(WorkerBusy())
        return True

    def _measured(self, request: str) -> MeasurementResult:
        try:
            process = self._start()
            assert process.stdin is not None
            process.stdin.write(b'{"seconds": %g, "request": %s}\n' % (SECONDS, request.encode()))
            process.stdin.flush()
            # The process keeps the time limit itself, so this one only catches a process that hangs.
            reply = _read_line(process, 2 * SECONDS)
            if "answer" in reply:
                return MEASURED.validate_python(reply["answer"])
        except (OSError, ValueError) as error:
            self._end()
            return NotMeasured(reason=f"measuring failed: {error}")
        return NotMeasured(reason=f"measuring failed: {reply.get('failed')}")

    def _start(self) -> "subprocess.Popen[bytes]":
        """Returns the running process, or starts one. Raises OSError, ValueError."""
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
        # It writes a line when its imports are done.
        _read_line(process, START_SECONDS)
        self._is_ready = True
        return process

    def _end(self) -> None:
        with self._lock:
            process, self._process, self._is_ready = self._process, None, False
        if process is not None:
            _kill(process)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        # Its forked children are in its session, and so in its process group.
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        # Closing flushes what the process did not read, which nobody needs any more.
        with contextlib.suppress(BrokenPipeError):
            stream.close()


def _read_line(process: "subprocess.Popen[bytes]", seconds: float) -> dict[str, Any]:
    """Reads one line of JSON. Raises OSError, also if the process ended or takes too long, and ValueError."""
    assert process.stdout is not None
    deadline, line = time.monotonic() + seconds, b""
    while not line.endswith(b"\n"):
        if not select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError(f"its process did not answer for {seconds:g} seconds")
        piece = os.read(process.stdout.fileno(), PIECE)
        if not piece:
            raise ConnectionError("its process has ended")
        line += piece
    reply: dict[str, Any] = json.loads(line)
    return reply


def _done(result: MeasurementResult) -> "Future[MeasurementResult]":
    future: Future[MeasurementResult] = Future()
    future.set_result(result)
    return future
