"""Writes large files sequentially, past the page cache (O_DIRECT) from a certain size on.

In the page cache, every byte would be copied into memory that is often not there yet, push out what others read, and
the last sync would wait for all that is not on the disk.
"""

import errno
import fcntl
import mmap
import os
import sys
from io import FileIO
from types import TracebackType
from typing import Self

BUFFER_BYTES = 1 << 20
CACHED_BYTES = 32 << 20
"""Files up to this size stay in the page cache, since they are usually read next."""
DIRECT: int = os.O_DIRECT if sys.platform == "linux" else 0
"""0 where the system has no such flag."""


class LargeFile:
    """Takes writes of one thread at a time. Only `sync` puts them on the disk."""

    def __init__(self, file: FileIO) -> None:
        """`file` is new, unbuffered and open for writing; the caller closes it."""
        self._file = file
        # O_DIRECT needs a buffer that starts at a page and holds whole pages, as mmap gives one.
        self._buffer = mmap.mmap(-1, BUFFER_BYTES)
        self._filled = 0
        self._passed_on = 0
        self._is_direct = False
        self._can_be_direct = bool(DIRECT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._buffer.close()

    def write(self, piece: bytes) -> None:
        """Writes a piece. Raises OSError, also for earlier pieces."""
        with memoryview(piece) as view:
            start = 0
            while start < len(view):
                length = min(len(view) - start, BUFFER_BYTES - self._filled)
                self._buffer[self._filled : self._filled + length] = view[start : start + length]
                self._filled += length
                start += length
                if self._filled == BUFFER_BYTES:
                    self._set_direct(self._passed_on >= CACHED_BYTES)
                    self._pass_on()

    def sync(self) -> None:
        """Puts all that was written on the disk. Raises OSError."""
        self._set_direct(False)
        self._pass_on()
        os.fsync(self._file.fileno())

    def _pass_on(self) -> None:
        with memoryview(self._buffer) as whole:
            written = 0
            while written < self._filled:
                with whole[written : self._filled] as rest:
                    written += self._write_some(rest)
        self._passed_on += self._filled
        self._filled = 0

    def _write_some(self, data: memoryview) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            # Some file systems accept the flag and then refuse the write.
            if not self._is_direct or error.errno != errno.EINVAL:
                raise
            self._set_direct(False)
            self._can_be_direct = False
            return self._file.write(data)

    def _set_direct(self, is_direct: bool) -> None:
        is_direct = is_direct and self._can_be_direct
        if is_direct == self._is_direct:
            return
        flags = fcntl.fcntl(self._file, fcntl.F_GETFL)
        try:
            fcntl.fcntl(self._file, fcntl.F_SETFL, flags | DIRECT if is_direct else flags & ~DIRECT)
        except OSError:
            self._can_be_direct = False
        else:
            self._is_direct = is_direct
