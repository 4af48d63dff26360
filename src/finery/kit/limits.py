"""Limits memory and processor time by the kernel, for code that users wrote: chat templates above all."""

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
"""Interval at which the signal is repeated, since C code may have swallowed the first one's exception."""
HANG_SECONDS = 2.0
"""Time that a block may exceed its limit by before its process is ended."""
HANG_SIGNAL = signal.SIGVTALRM
"""Ends a process whose bounded block hangs in one C operation, during which Python handles no signals."""


class TookTooLong(Exception):
    """A bounded block exceeded its processor time."""


def confine(*, memory_bytes: int, cpu_seconds: int) -> None:
    """Limits what this process takes from now on, in addition to what it has taken so far.

    Beyond the memory limit, MemoryError is raised (C libraries may abort instead); beyond the processor time, SIGXCPU
    ends the process. It also gets a lower priority than processes that answer requests or train, and if the machine is
    out of memory, the kernel ends it first.
    """
    limit = _lower(data_bytes() + memory_bytes, resource.getrlimit(resource.RLIMIT_DATA)[1])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    os.nice(NICENESS)
    # Some containers do not have this file.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


@contextmanager
def bounded(*, memory_bytes: int, cpu_seconds: float) -> Iterator[None]:
    """Limits what the block takes. Raises MemoryError and TookTooLong.

    Both limits are the whole process's, so other threads should not need much meanwhile. The time is limited in the
    main thread only, where Python handles signals; for other threads, another process has to watch. A block that hangs
    in C code ends its process by HANG_SIGNAL.
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
    """Returns this process's data as RLIMIT_DATA counts it: writable mappings that belong to no file."""
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
