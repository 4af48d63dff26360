"""Space on the disk that is kept back, so that a cancel gets through when everything else has filled it."""

import os
from pathlib import Path

MIB = 1 << 20
RESERVE_BYTES = 8 * MIB
SHORT_BYTES = 1 * MIB
"""Less than this is too little for a transaction and the few small files that follow from it."""
ROOM_BYTES = 8 * MIB
"""So much is left to others when the space is taken: whoever fills the disk to the brim gets it all."""


class DiskReserve:
    """A file that holds nothing but its space. Any thread may call."""

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size = size

    def fill(self) -> bool:
        """Take the space unless it is taken, or the disk is too full for that; whether it is taken now."""
        try:
            if self._path.exists() and self._path.stat().st_size >= self._size:
                return True
            if self._free_bytes() < self._size + ROOM_BYTES:
                return False
            return self._take()
        except OSError:
            return False

    def give_up_if_short(self) -> None:
        """Give the space back when next to none is left elsewhere; `fill` takes it anew once there is some."""
        try:
            if self._free_bytes() < SHORT_BYTES:
                self._path.unlink(missing_ok=True)
        except OSError:
            # A directory that is not there, or not to be written to, holds no reserve.
            return

    def is_spent(self) -> bool:
        """Whether the space was given up, and there is not so much of it again that it could be taken anew."""
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
        found = os.statvfs(self._path.parent)
        return found.f_bavail * found.f_frsize
