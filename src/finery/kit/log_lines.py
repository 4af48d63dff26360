"""Reads logs while they are written: their last lines, the text from an offset on, and the number of lines.

Memory is bounded whatever the size of the log and the length of its lines. A missing file counts as an empty log.
"""

import errno
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from finery.kit.files import read_json, write_json

BLOCK_BYTES = 1 << 16
LINE_BYTES = 16_384
"""Longer lines are cut off, and a note says so."""
COUNTED_FILES = 4096
LONG_BYTES = 1 << 26
"""A log's line count is stored each time that it has grown by this size."""


@dataclass(frozen=True)
class LogView:
    """A part of a log, up to its end at the time of the request."""

    path: Path
    start: int
    end: int
    total_lines: int
    """Lines of the whole log, including an unfinished last one."""

    def lines(self) -> Iterator[str]:
        if self.start < self.end:
            with self.path.open("rb", buffering=0) as file:
                yield from _clean_lines(_blocks(file, self.start, self.end))


@dataclass(frozen=True)
class LogPart:
    text: str
    next_offset: int


@dataclass(frozen=True)
class LogEnd:
    lines: list[str]
    is_cut: bool
    """Whether there are others before them."""


class LogReader:
    """Counts lines incrementally: only what was added to a file since the last count is read.

    Counts of large files are also stored in `folder` for the next start; one that does not match its file any more is
    ignored.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._counted: OrderedDict[Path, _Count] = OrderedDict()
        self._lock = threading.Lock()
        self._folder = folder

    def count(self, path: Path) -> int:
        """Returns the number of lines."""
        return self.tail(path, 1).total_lines

    def tail(self, path: Path, lines: int) -> LogView:
        """Returns the last `lines` lines; 0: all of them."""
        file = _open(path)
        if file is None:
            return LogView(path, 0, 0, 0)
        with file:
            end = os.fstat(file.fileno()).st_size
            start = tail_start(file, end, lines) if lines else 0
            return LogView(path, start, end, self._count(path, file, end))

    def _count(self, path: Path, file: BinaryIO, end: int) -> int:
        identity = os.fstat(file.fileno()).st_ino
        with self._lock:
            known = self._counted.get(path)
        known = known or self._load(path)
        if known is None or known.identity != identity or known.end > end:
            known = _Count(identity, 0, 0)
        newlines = known.newlines + _count_newlines(file, known.end, end)
        if self._folder is not None and end // LONG_BYTES > known.end // LONG_BYTES:
            self._store(path, _Count(identity, end, newlines))
        with self._lock:
            self._counted[path] = _Count(identity, end, newlines)
            self._counted.move_to_end(path)
            if len(self._counted) > COUNTED_FILES:
                self._counted.popitem(last=False)
        return newlines + (1 if end and os.pread(file.fileno(), 1, end - 1) != b"\n" else 0)

    def _load(self, path: Path) -> "_Count | None":
        stored = read_json(self._folder / f"{path.name}.json") if self._folder else None
        return _Count(*stored) if isinstance(stored, list) and len(stored) == 3 else None

    def _store(self, path: Path, count: "_Count") -> None:
        assert self._folder is not None
        self._folder.mkdir(parents=True, exist_ok=True)
        write_json(self._folder / f"{path.name}.json", [count.identity, count.end, count.newlines])


@dataclass(frozen=True)
class _Count:
    identity: int
    end: int
    newlines: int


def _open(path: Path) -> BinaryIO | None:
    """Opens a log. Returns None if it does not exist yet, or cannot, since its run's id is too long for a file name."""
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENAMETOOLONG):
            return None
        raise


def tail_start(file: BinaryIO, end: int, lines: int) -> int:
    """Returns where the last `lines` lines before byte `end` begin; it reads backwards."""
    descriptor = file.fileno()
    wanted = lines + (1 if end and os.pread(descriptor, 1, end - 1) == b"\n" else 0)
    position = end
    while position > 0:
        size = min(BLOCK_BYTES, position)
        position -= size
        block = os.pread(descriptor, size, position)
        newlines = block.count(b"\n")
        if newlines >= wanted:
            index = len(block)
            for _ in range(wanted):
                index = block.rfind(b"\n", 0, index)
            return position + index + 1
        wanted -= newlines
    return 0


def read_part(path: Path, offset: int, limit: int, *, whole: bool) -> LogPart:
    """Returns at most `limit` bytes from `offset` on, as text, cut after a line's end.

    An unfinished last line is held back, unless `whole` says that the log has ended, or the line alone exceeds `limit`.
    """
    file = _open(path)
    if file is None:
        return LogPart("", offset)
    with file:
        data = os.pread(file.fileno(), limit, offset)
    cut = data.rfind(b"\n") + 1
    if len(data) == limit and not cut:
        cut = _character_boundary(data)
    elif len(data) < limit and whole:
        cut = len(data)
    text = "\n".join(_clean_lines(iter((data[:cut],))))
    return LogPart(text + ("\n" if data[:cut].endswith(b"\n") else ""), offset + cut)


def read_end(path: Path, limit: int) -> LogEnd:
    """Returns the whole lines in the last `limit` bytes."""
    file = _open(path)
    if file is None:
        return LogEnd([], is_cut=False)
    with file:
        start = max(0, os.fstat(file.fileno()).st_size - limit)
        data = os.pread(file.fileno(), limit, start)
    return LogEnd(list(_clean_lines(iter((data.partition(b"\n")[2] if start else data,)))), is_cut=start > 0)


def clean_line(data: bytes) -> str:
    """Returns the line as a terminal shows it: no escape sequences and controls, only a progress bar's last state."""
    text = data.decode("utf-8", errors="replace")
    if text.isprintable():
        return text
    data = _ESCAPES.sub(b"", data)
    last = next((part for part in reversed(data.split(b"\r")) if part), b"")
    return last.decode("utf-8", errors="replace").translate(_CONTROLS)


_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_CONTROLS = dict.fromkeys((*range(9), *range(10, 32), *range(127, 160)))


def _clean_lines(blocks: Iterator[bytes]) -> Iterator[str]:
    """Yields the lines of consecutive blocks, each cut off at LINE_BYTES."""
    kept = b""
    length = 0
    for block in blocks:
        first, *others = block.split(b"\n")
        for line in (first, *others[:-1]) if others else ():
            yield _shown(kept + line[: LINE_BYTES - len(kept)], length + len(line))
            kept, length = b"", 0
        last = others[-1] if others else first
        kept += last[: LINE_BYTES - len(kept)]
        length += len(last)
    if length:
        yield _shown(kept, length)


def _shown(kept: bytes, length: int) -> str:
    if length <= LINE_BYTES:
        return clean_line(kept)
    kept = kept[: _character_boundary(kept)]
    return f"{clean_line(kept)}… [{length - len(kept)} more bytes]"


def _character_boundary(data: bytes) -> int:
    """Returns the length of `data` without an incomplete UTF-8 character at its end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            needed = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) if back >= needed else len(data) - back
    return len(data)


def _blocks(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        block = os.pread(file.fileno(), min(BLOCK_BYTES, end - start), start)
        if not block:
            return
        start += len(block)
        yield block


def _count_newlines(file: BinaryIO, start: int, end: int) -> int:
    buffer = bytearray(BLOCK_BYTES)
    view = memoryview(buffer)
    newlines = 0
    while start < end:
        size = os.preadv(file.fileno(), [view[: min(BLOCK_BYTES, end - start)]], start)
        if not size:
            break
        newlines += buffer.count(b"\n", 0, size)
        start += size
    return newlines
