"""Bounds that the kernel keeps, for processes that carry out what users wrote: templates above all."""

import os
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
NICENESS = 10
AGAIN_SECONDS = 1.0
"""After which the signal comes once more: code of C may have swallowed the first one's exception."""
HANG_SECONDS = 2.0
"""Left to a block after its time; then its process is ended."""
HANG_SIGNAL = signal.SIGVTALRM
"""Ends a process whose bounded block went on in one operation of C: Python handles a signal only when that returns."""


class TookTooLong(Exception):
    """The processor time of a bounded block was over."""


def confine(*, memory_bytes: int, cpu_seconds: int) -> None:
    """Bounds what this process takes from now on, beyond what it has taken so far, until its end.

    More memory is a MemoryError (libraries that are not Python's may abort instead), more processor time ends the
    process by SIGXCPU. It also gives way to every process that answers requests or trains, and where the machine is out
    of memory it is the first that the kernel ends.
    """
    limit_memory(memory_bytes)
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    os.nice(NICENESS)
    # Not in every container is there such a file.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def limit_memory(more_bytes: int) -> None:
    """The process's data may grow by so much from now on. What it maps from files does not count."""
    limit = _lower(data_bytes() + more_bytes, resource.getrlimit(resource.RLIMIT_DATA)[1])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


@contextmanager
def bounded(*, memory_bytes: int, cpu_seconds: float) -> Iterator[None]:
    """Bounds what the block takes. Raises MemoryError, and TookTooLong.

    Both bounds are the whole process's, so that other threads should not need much meanwhile. The time is bounded in
    the main thread only, which is where Python handles signals; elsewhere somebody has to watch from outside. A block
    that hears no signal ends its process by HANG_SIGNAL.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_lower(_lower(data_bytes() + memory_bytes, soft), hard), hard))
    try:
        if threading.current_thread() is threading.main_thread():
            with _timed(cpu_seconds):
                yield
        else:
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def data_bytes() -> int:
    """Of this process, as RLIMIT_DATA counts them: what is mapped for writing and belongs to no file."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[5]) * PAGE_BYTES


@contextmanager
def _timed(cpu_seconds: float) -> Iterator[None]:
    previous = signal.signal(signal.SIGPROF, _raise)
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds, AGAIN_SECONDS)
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_seconds + HANG_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, previous)


def _raise(number: int, frame: FrameType | None) -> None:
    raise TookTooLong


def _lower(one: int, other: int) -> int:
    return one if other == resource.RLIM_INFINITY else min(one, other)
