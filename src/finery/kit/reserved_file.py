"""A small file whose space is reserved in advance, so that it can be written on a full disk."""

import os
from pathlib import Path

from finery.kit.files import sync_directory

RESERVED_BYTES = 64 * 1024


class ReservedFile:
    """Reserves and writes one file. Standard library only: the shim imports it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reserve = path.with_name(f".{path.name}.reserve")

    def reserve(self) -> None:
        """Takes the space. Raises OSError if the disk is full already."""
        descriptor = os.open(self._reserve, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.posix_fallocate(descriptor, 0, RESERVED_BYTES)
        finally:
            os.close(descriptor)

    def write(self, data: bytes) -> None:
        """Writes `data` atomically; beyond the size of the reserve, it needs free space.

        Raises OSError if the disk is full or the directory is gone; the reserve is kept for another try.
        """
        descriptor = os.open(self._reserve, os.O_RDWR | os.O_CREAT, 0o644)
        with os.fdopen(descriptor, "r+b") as file:
            file.write(data)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        os.replace(self._reserve, self._path)
        sync_directory(self._path.parent)
