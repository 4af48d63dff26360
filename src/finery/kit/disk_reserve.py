"""Reserves disk space in a file, and frees it when the disk is full, so that a cancel can still be stored."""

import os
from pathlib import Path

MIB = 1 << 20
RESERVE_BYTES = 8 * MIB
SHORT_BYTES = 1 * MIB
"""Less is too little for a transaction and the few small files that follow from it."""
ROOM_BYTES = 8 * MIB
"""Free space that must remain beside the reserve when it is taken."""


class DiskReserve:
    """A file that only occupies space. Thread-safe."""

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size = size

    def fill(self) -> bool:
        """Takes the space unless it is taken or the disk is too full. Returns whether it is taken now."""
        try:
            if self._path.exists() and self._path.stat().st_size >= self._size:
                return True
            if self._free_bytes() < self._size + ROOM_BYTES:
                return False
            return self._take()
        except OSError:
            return False

    def give_up_if_short(self) -> None:
        """Frees the space if almost none is left elsewhere; `fill` takes it again once there is some."""
        try:
            if self._free_bytes() < SHORT_BYTES:
                self._path.unlink(missing_ok=True)
        except OSError:
            # Without the directory, or the right to write to it, there is no reserve.
            return

    def is_spent(self) -> bool:
        """Returns whether the space was freed and the disk is still too full to take it again."""
        try:
            return not self._path.exists() and self._free_bytes() < self._size
        except OSError:
            return False

    def _take(self) -> bool:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._size)
        except OSError:
            self._path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        return True

    def _free_bytes(self) -> int:
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize
