"""A lock on a file (flock), which the kernel releases when the process that holds it ends."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

RETRY_SECONDS = 0.02


class LockTaken(Exception):
    """Another process holds the lock. `holder`: what it wrote about itself."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"{path} is locked by {holder or 'another process'}")
        self.path = path
        self.holder = holder


class FileLock:
    """An exclusive lock on a file. `note` tells others who holds it. Started programs do not inherit it."""

    def __init__(self, path: Path, *, note: str = "") -> None:
        self._path = path
        self._note = note
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self, *, timeout: float = 0.0) -> None:
        """Takes the lock, waiting up to `timeout` seconds; it is idempotent. Raises LockTaken.

        A process that was just killed may hold it a moment longer, and so may a program that it was starting.
        """
        if self._descriptor is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        deadline = time.monotonic() + timeout
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
                os.close(descriptor)
                raise LockTaken(self._path, holder)
            time.sleep(RETRY_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{self._note or f'process {os.getpid()}'}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Releases the lock. The file stays: without it, two processes could lock two files of one name."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
