"""Reads text files as UTF-8 chunks and lines: decompresses gzip, detects the encoding, and refuses zip bombs."""

import codecs
import gzip
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

CHUNK_BYTES = 1 << 16
"""Small enough to stay in a core's cache while its lines are read; four times as much is slower."""
HEAD_BYTES = 4096
MAX_RATIO = 100
FREE_BYTES = 64 << 20
"""Decompressed size that is allowed for any file."""
ROW_WEIGHT = 128
GZIP_MAGIC = b"\x1f\x8b"
NOT_UTF8 = b"\xff"

# UTF-32 comes first, since its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class PackedTooTightly(ValueError):
    """The file decompresses to too much compared with its size; the message is for the user."""


class Unpacking:
    """Bounds what is decompressed from a file by the file's size, since a few bytes can stand for any number of rows.

    Rows count in addition to their bytes, since many small rows take more time. Bytes count only a quarter, since
    honest files compress well, too, if all rows repeat a system prompt.
    """

    def __init__(self, path: Path) -> None:
        self._allowed = max(FREE_BYTES, MAX_RATIO * path.stat().st_size)
        self._weight = 0

    def take(self, *, content_bytes: int, rows: int) -> None:
        """Counts what was decompressed. Raises PackedTooTightly."""
        self._weight += content_bytes // 4 + ROW_WEIGHT * rows
        if self._weight > self._allowed:
            raise PackedTooTightly("it is packed so tightly that it may hold anything: give it unpacked")


@contextmanager
def open_chunks(path: Path) -> Iterator[Iterator[bytes]]:
    """Opens a file and decompresses it if it is gzipped (by its content, not its name).

    Reading the chunks raises PackedTooTightly.
    """
    with io.BufferedReader(io.FileIO(path), CHUNK_BYTES) as file:
        if file.peek(2)[:2] != GZIP_MAGIC:
            yield iter(partial(file.read, CHUNK_BYTES), b"")
            return
        with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
            yield _weighed(unpacked, Unpacking(path))


def _weighed(file: gzip.GzipFile, unpacking: Unpacking) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        # The number of rows is at most that of newlines (JSON Lines, CSV) or of braces (a JSON array).
        unpacking.take(content_bytes=len(chunk), rows=chunk.count(b"\n") + chunk.count(b"{"))
        yield chunk


def as_utf8(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Converts chunks to UTF-8 without a byte order mark.

    Invalid bytes stay invalid in place, so that the reader can name their line.
    """
    first = True
    for chunk in _transcoded(chunks, encoding):
        yield chunk.removeprefix(codecs.BOM_UTF8) if first else chunk
        first = False


def guess_encoding(head: bytes) -> str:
    """Returns the encoding by byte order mark, else by the zero bytes of ASCII text in it; else UTF-8."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    match [byte == 0 for byte in head[:4]]:
        case [False, True, True, True]:
            return "utf-32-le"
        case [True, True, True, False]:
            return "utf-32-be"
        case [False, True, *_]:
            return "utf-16-le"
        case [True, False, *_]:
            return "utf-16-be"
    return "utf-8"


def split_lines(chunks: Iterable[bytes], *, limit: int) -> Iterator[bytes | None]:
    """Yields lines without their `\\n`, and None for each line longer than `limit` bytes."""
    for block in split_in_blocks(chunks, limit=limit):
        if block is None:
            yield None
        else:
            yield from block.split(b"\n")


def split_in_blocks(chunks: Iterable[bytes], *, limit: int) -> Iterator[bytes | None]:
    """Yields the lines that end in one chunk together, without the last `\\n`, and None for each that is too long."""
    pending: list[bytes] = []
    size = 0
    for chunk in chunks:
        end = chunk.rfind(b"\n")
        if end >= 0:
            start = 0
            if size and size + chunk.index(b"\n") > limit:
                yield None
                pending, start = [], chunk.index(b"\n") + 1
            if start <= end:
                yield b"".join((*pending, memoryview(chunk)[start:end]))
            pending, size = [], 0
        last = chunk[end + 1 :]
        size += len(last)
        if size <= limit:
            pending.append(last)
        else:
            pending.clear()
    if size:
        yield b"".join(pending) if size <= limit else None


def has_long_start(block: bytes, size: int) -> bool:
    """Returns whether the first line has more than `size` bytes."""
    return len(block) > size and block.find(b"\n", 0, size + 1) < 0


def _transcoded(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    if encoding == "utf-8":
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode("utf-8", "surrogatepass")
        yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        yield NOT_UTF8
