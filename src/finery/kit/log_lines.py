"""The lines of a log that somebody else is writing: the last of them, from a byte on, and how many there are.

Memory stays flat whatever the log's size and the length of its lines. A missing file is an empty log.
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
"""What is shown of a line; the rest is cut off, and the cut is told."""
COUNTED_FILES = 4096
LONG_BYTES = 1 << 26
"""Each time a log has grown by so much, its count is written down."""


@dataclass(frozen=True)
class LogView:
    """A part of a log, as long as the log was when it was asked for."""

    path: Path
    start: int
    end: int
    total_lines: int
    """Of the whole log, the unfinished last line included."""

    def lines(self) -> Iterator[str]:
        if self.start < self.end:
            with self.path.open("rb", buffering=0) as file:
                yield from _clean_lines(_blocks(file, self.start, self.end))


@dataclass(frozen=True)
class LogPart:
    text: str
    next_offset: int


class LogReader:
    """Remembers how many lines it has counted in which file, so that only what was added is read again.

    What took long to count is also kept in `folder`, for the next start; a note there that does not fit its file any
    more is not believed.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._counted: OrderedDict[Path, _Count] = OrderedDict()
        self._lock = threading.Lock()
        self._folder = folder

    def count(self, path: Path) -> int:
        """How many lines the log has."""
        return self.tail(path, 1).total_lines

    def tail(self, path: Path, lines: int) -> LogView:
        """The last `lines` lines; 0: all of them."""
        file = _opened(path)
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
        known = known or self._recall(path)
        if known is None or known.identity != identity or known.end > end:
            known = _Count(identity, 0, 0)
        newlines = known.newlines + _count_newlines(file, known.end, end)
        if self._folder is not None and end // LONG_BYTES > known.end // LONG_BYTES:
            self._note(path, _Count(identity, end, newlines))
        with self._lock:
            self._counted[path] = _Count(identity, end, newlines)
            self._counted.move_to_end(path)
            if len(self._counted) > COUNTED_FILES:
                self._counted.popitem(last=False)
        return newlines + (1 if end and os.pread(file.fileno(), 1, end - 1) != b"\n" else 0)

    def _recall(self, path: Path) -> "_Count | None":
        noted = read_json(self._folder / f"{path.name}.json") if self._folder else None
        return _Count(*noted) if isinstance(noted, list) and len(noted) == 3 else None

    def _note(self, path: Path, count: "_Count") -> None:
        assert self._folder is not None
        self._folder.mkdir(parents=True, exist_ok=True)
        write_json(self._folder / f"{path.name}.json", [count.identity, count.end, count.newlines])


@dataclass(frozen=True)
class _Count:
    identity: int
    end: int
    newlines: int


def _opened(path: Path) -> BinaryIO | None:
    """None when it was not written yet, or never can be because a client's id is too long for a file's name."""
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENAMETOOLONG):
            return None
        raise


def tail_start(file: BinaryIO, end: int, lines: int) -> int:
    """Where the last `lines` lines before byte `end` begin, found by reading backwards."""
    descriptor = file.fileno()
    wanted = lines + (1 if end and os.pread(descriptor, 1, end - 1) == b"\n" else 0)
    position = end
    while position > 0:
        size = min(BLOCK_BYTES, position)
        position -= size
        block = os.pread(descriptor, size, position)
        found = block.count(b"\n")
        if found >= wanted:
            index = len(block)
            for _ in range(wanted):
                index = block.rfind(b"\n", 0, index)
            return position + index + 1
        wanted -= found
    return 0


def read_part(path: Path, offset: int, limit: int, *, whole: bool) -> LogPart:
    """At most `limit` bytes from `offset` on, as text, cut after a line's end.

    An unfinished last line is held back, unless `whole` says that nothing more will come, or it alone exceeds `limit`.
    """
    file = _opened(path)
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


def clean_line(data: bytes) -> str:
    """What a terminal would show: no escape sequences or other controls, only the last state of a progress bar."""
    text = data.decode("utf-8", errors="replace")
    if text.isprintable():
        return text
    data = _ESCAPES.sub(b"", data)
    last = next((part for part in reversed(data.split(b"\r")) if part), b"")
    return last.decode("utf-8", errors="replace").translate(_CONTROLS)


_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_CONTROLS = dict.fromkeys((*range(9), *range(10, 32), *range(127, 160)))


def _clean_lines(blocks: Iterator[bytes]) -> Iterator[str]:
    """The lines of consecutive blocks, each shortened to LINE_BYTES."""
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
    """The length of `data` without a UTF-8 character that its end cuts in two."""
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
