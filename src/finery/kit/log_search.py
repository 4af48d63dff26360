"""Finds the lines of a log that contain a text, in bounded time and memory whatever the log's size."""

import os
import re
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

BLOCK_BYTES = 1 << 20
SCAN_BYTES = 1 << 28
"""As far as one search goes; the next goes on from there."""
LINE_BYTES = 500
"""Of a longer line, so much around what was found is told."""
_ANSI = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]")


@dataclass(frozen=True)
class FoundLine:
    offset: int
    """Where the line begins, in bytes."""
    text: str


@dataclass(frozen=True)
class Found:
    lines: list[FoundLine]
    next_offset: int | None
    """From where there may be more; None: the end was reached."""


def find_lines(path: Path, text: str, offset: int, limit: int) -> Found:
    """Return at most `limit` lines from `offset` on that contain `text`, upper and lower case alike. A missing file has
    none. Colours count as no text, and `offset` is where a line begins."""
    pattern = re.compile(re.escape(text.encode()), re.IGNORECASE)
    found: list[FoundLine] = []
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        return Found([], None)
    with file:
        if offset >= os.fstat(file.fileno()).st_size:
            # Far beyond the end, seeking is an error.
            return Found([], None)
        file.seek(offset)
        position, end = offset, offset + SCAN_BYTES
        while position < end:
            block = _whole_lines(file.read(BLOCK_BYTES), file)
            if not block:
                return Found(found, None)
            for line_start, line in _matching(block, pattern):
                if len(found) == limit:
                    return Found(found, position + line_start)
                found.append(FoundLine(position + line_start, line))
            position += len(block)
    return Found(found, position)


def _whole_lines(block: bytes, file: FileIO) -> bytes:
    """Return the block up to the end of its last line; of a line that is longer, the block."""
    cut = block.rfind(b"\n") + 1
    if len(block) < BLOCK_BYTES or cut == 0:
        return block
    file.seek(cut - len(block), 1)
    return block[:cut]


def _matching(block: bytes, pattern: re.Pattern[bytes]) -> list[tuple[int, str]]:
    """Return start and text of the lines that match."""
    # Most blocks have none, and are looked through at once rather than line by line.
    if pattern.search(_ANSI.sub(b"", block) if b"\x1b" in block else block) is None:
        return []
    matching, start = [], 0
    for line in block.split(b"\n"):
        match = pattern.search(_ANSI.sub(b"", line) if b"\x1b" in line else line)
        if match is not None:
            matching.append((start, _shown(line, match.start())))
        start += len(line) + 1
    return matching


def _shown(line: bytes, at: int) -> str:
    plain = _ANSI.sub(b"", line)
    begin = max(0, at - LINE_BYTES // 2)
    return plain[begin : begin + LINE_BYTES].decode(errors="replace").strip("\r")
