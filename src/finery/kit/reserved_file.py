"""A small file that can be written on a full disk: its space was taken when there was some."""

import os
from pathlib import Path

from finery.kit.files import sync_directory

RESERVED_BYTES = 64 * 1024


class ReservedFile:
    """Standard library only: the shim imports it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reserve = path.with_name(f".{path.name}.reserve")

    def reserve(self) -> None:
        """Raises OSError when the disk is full already."""
        descriptor = os.open(self._reserve, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.posix_fallocate(descriptor, 0, RESERVED_BYTES)
        finally:
            os.close(descriptor)

    def write(self, data: bytes) -> None:
        """Put `data` in place, whole or not at all; what is longer than the reserve needs more of the disk.

        Raises OSError when the disk is full or the directory is gone; the reserve is kept for another try.
        """
        descriptor = os.open(self._reserve, os.O_RDWR | os.O_CREAT, 0o644)
        with os.fdopen(descriptor, "r+b") as file:
            file.write(data)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        os.replace(self._reserve, self._path)
        sync_directory(self._path.parent)
