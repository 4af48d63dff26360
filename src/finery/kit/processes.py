"""Processes of this machine by identity, never by a bare number. Linux and the standard library only."""

import contextlib
import errno
import functools
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Process:
    """One line of /proc/PID/stat."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    start_time: int
    """Clock ticks between the machine's boot and the process's start."""

    @property
    def is_dead(self) -> bool:
        """True for a zombie too: only its parent has not noticed yet."""
        return self.state in "ZXx"

    @property
    def is_stopped(self) -> bool:
        return self.state in "Tt"

    @property
    def identity(self) -> "Identity":
        return Identity(self.pid, self.start_time, boot_id(), pid_namespace())


@dataclass(frozen=True)
class Identity:
    """Names one process for good: numbers are used again, a number with its start time and boot is not."""

    pid: int
    start_time: int
    boot_id: str
    namespace: int | None = None
    """In which the number holds: containers count their processes each from 1. None: not known."""

    @classmethod
    def of(cls, pid: int) -> "Identity":
        """Raises ProcessLookupError when no process has this number."""
        process = look(pid)
        if process is None:
            raise ProcessLookupError(f"no process {pid}")
        return process.identity

    @classmethod
    def parse(cls, value: Any) -> "Identity | None":
        """The identity that `describe` wrote; None for anything else."""
        try:
            namespace = value.get("namespace")
            return cls(
                int(value["pid"]),
                int(value["start_time"]),
                str(value["boot_id"]),
                None if namespace is None else int(namespace),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return None

    def describe(self) -> dict[str, int | str | None]:
        return asdict(self)

    def look(self) -> Process | None:
        """The process while it is there to be seen from here, dead but unreaped included."""
        if self.boot_id != boot_id() or self.namespace not in (None, pid_namespace()):
            return None
        process = look(self.pid)
        return process if process is not None and process.start_time == self.start_time else None

    def is_alive(self) -> bool:
        process = self.look()
        return process is not None and not process.is_dead

    def signal(self, number: int, *, mark: str | None = None) -> bool:
        """Send a signal to exactly this process; False when it is gone (or a stranger has its number), and when its
        environment lacks `mark` (`NAME=value`)."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except (ProcessLookupError, OverflowError, ValueError):
            return False
        except OSError as error:
            # Kernels before 6.9 answer EINVAL for a number that names a thread, not a process.
            if error.errno != errno.EINVAL:
                raise
            return False
        try:
            # The descriptor holds the process, so what is verified here is what gets the signal.
            if not self.is_alive() or (mark is not None and not is_marked(self.pid, mark)):
                return False
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True


@functools.cache
def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@functools.cache
def pid_namespace() -> int:
    return os.stat("/proc/self/ns/pid").st_ino


def uptime() -> float:
    """Seconds since boot, sleep included: a clock that nobody sets, and that all processes share."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def start_time(pid: int) -> int | None:
    """Clock ticks after boot at which the process began; None when it is gone."""
    process = look(pid)
    return None if process is None else process.start_time


def look(pid: int) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name stands in parentheses and may itself hold spaces and parentheses.
    fields = text.rpartition(b")")[2].split()
    return Process(
        pid=pid,
        state=fields[0].decode(),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        start_time=int(fields[19]),
    )


def processes() -> Iterator[Process]:
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (process := look(int(entry))) is not None:
            yield process


def children(pid: int) -> list[Process]:
    return [process for process in processes() if process.parent == pid]


def descendants(pid: int, among: Iterable[Process]) -> list[Process]:
    """Children, their children and so on, parents before children."""
    by_parent: dict[int, list[Process]] = {}
    for process in among:
        by_parent.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = [pid]
    while waiting:
        born = by_parent.pop(waiting.pop(), [])
        found += born
        waiting += [child.pid for child in born]
    return found


def group_members(group: int) -> list[Process]:
    """The living members of a process group."""
    return [process for process in processes() if process.group == group and not process.is_dead]


def is_marked(pid: int, mark: str) -> bool:
    """Whether the process was started with `mark` (`NAME=value`) in its environment; False when that cannot be read."""
    return mark.encode() in _environment(pid)


def shown(pid: int, name: str) -> str | None:
    """The value of a variable that the process was started with; None when it has none, or that cannot be read."""
    sign = f"{name}=".encode()
    found = next((entry for entry in _environment(pid) if entry.startswith(sign)), None)
    return None if found is None else found[len(sign) :].decode(errors="replace")


def _environment(pid: int) -> list[bytes]:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        return file.read().split(b"\0")
    return []


def marked(mark: str) -> list[Process]:
    return [process for process in processes() if is_marked(process.pid, mark)]
