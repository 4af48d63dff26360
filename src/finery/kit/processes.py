"""Finds and signals processes by an identity that survives the reuse of pids. Linux and standard library only."""

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
        """Whether it has ended; a zombie has, and only waits for its parent."""
        return self.state in "ZXx"

    @property
    def is_stopped(self) -> bool:
        return self.state in "Tt"

    @property
    def identity(self) -> "Identity":
        return Identity(self.pid, self.start_time, boot_id(), pid_namespace())


@dataclass(frozen=True)
class Identity:
    """Identifies one process: a pid is reused, but not with the same start time and boot."""

    pid: int
    start_time: int
    boot_id: str
    namespace: int | None = None
    """The pid namespace: each container counts its processes from 1. None: unknown."""

    @classmethod
    def of(cls, pid: int) -> "Identity":
        """Returns the identity of the process. Raises ProcessLookupError if there is none."""
        process = look(pid)
        if process is None:
            raise ProcessLookupError(f"no process {pid}")
        return process.identity

    @classmethod
    def parse(cls, value: Any) -> "Identity | None":
        """Returns the identity that `describe` wrote; None for any other value."""
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
        """Returns the process while it is visible from here, also as a zombie; else None."""
        if self.boot_id != boot_id() or self.namespace not in (None, pid_namespace()):
            return None
        process = look(self.pid)
        return process if process is not None and process.start_time == self.start_time else None

    def is_alive(self) -> bool:
        process = self.look()
        return process is not None and not process.is_dead

    def signal(self, number: int, *, mark: str | None = None) -> bool:
        """Sends a signal to exactly this process. Returns False if it is gone (or another has its pid), or if its
        environment lacks `mark` (`NAME=value`)."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except (ProcessLookupError, OverflowError, ValueError):
            return False
        except OSError as error:
            # Kernels before 6.9 answer EINVAL if the number is a thread's.
            if error.errno != errno.EINVAL:
                raise
            return False
        try:
            # The descriptor refers to one process, so the process that is verified here gets the signal.
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
    """Returns seconds since boot, sleep included: a clock that cannot be set and that all processes share."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def start_time(pid: int) -> int | None:
    """Returns the process's start in clock ticks after boot; None if it is gone."""
    process = look(pid)
    return None if process is None else process.start_time


def look(pid: int) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The process's name is in parentheses, and may hold spaces and parentheses itself.
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
    """Returns children, their children and so on, parents before children."""
    by_parent: dict[int, list[Process]] = {}
    for process in among:
        by_parent.setdefault(process.parent, []).append(process)
    family: list[Process] = []
    waiting = [pid]
    while waiting:
        born = by_parent.pop(waiting.pop(), [])
        family += born
        waiting += [child.pid for child in born]
    return family


def group_members(group: int) -> list[Process]:
    """Returns the living members of a process group."""
    return [process for process in processes() if process.group == group and not process.is_dead]


def is_marked(pid: int, mark: str) -> bool:
    """Returns whether the process started with `mark` (`NAME=value`) in its environment; False if unreadable."""
    return mark.encode() in _environment(pid)


def variable_of(pid: int, name: str) -> str | None:
    """Returns the value of a variable that the process started with; None if it has none, or that is unreadable."""
    prefix = f"{name}=".encode()
    values = (entry[len(prefix) :] for entry in _environment(pid) if entry.startswith(prefix))
    return next((value.decode(errors="replace") for value in values), None)


def _environment(pid: int) -> list[bytes]:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        return file.read().split(b"\0")
    return []


def marked(mark: str) -> list[Process]:
    return [process for process in processes() if is_marked(process.pid, mark)]
