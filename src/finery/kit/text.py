"""Files of text as UTF-8 chunks and lines, unpacked and decoded as they are read."""

import codecs
import gzip
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK_BYTES = 1 << 20
HEAD_BYTES = 4096
GZIP_MAGIC = b"\x1f\x8b"
NOT_UTF8 = b"\xff"

# The longer marks come first: the mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

Observer = Callable[[memoryview], object]


def open_unpacked(path: Path, observe: Observer | None = None) -> BinaryIO:
    """The file's bytes, gunzipped where they are gzipped (the content decides, not the name).

    `observe` sees each byte of the file itself, in order, as it is read.
    """
    raw: io.RawIOBase = _Observed(path, observe) if observe else io.FileIO(path)
    reader = io.BufferedReader(raw, CHUNK_BYTES)
    if reader.peek(2)[:2] == GZIP_MAGIC:
        return io.BufferedReader(_OwningGzip(reader), CHUNK_BYTES)
    return reader


def read_chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def as_utf8(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The chunks in UTF-8, without a byte order mark.

    What is not valid stays invalid in place, so that the reader of a line can name the line.
    """
    first = True
    for chunk in _transcoded(chunks, encoding):
        yield chunk.removeprefix(codecs.BOM_UTF8) if first else chunk
        first = False


def guess_encoding(head: bytes) -> str:
    """By byte order mark, else by where ASCII text has its zero bytes; UTF-8 otherwise."""
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
    """The lines without their `\\n`. None stands for a line longer than `limit` bytes, which is passed over."""
    pending: list[bytes] = []
    size = 0
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        size += len(first)
        if size <= limit:
            pending.append(first)
        if not others:
            continue
        yield b"".join(pending) if size <= limit else None
        last = others.pop()
        yield from others
        pending, size = [last], len(last)
    if size:
        yield b"".join(pending) if size <= limit else None


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


class _Observed(io.FileIO):
    def __init__(self, path: Path, observe: Observer) -> None:
        super().__init__(path)
        self._observe = observe

    def readinto(self, buffer: "WriteableBuffer") -> int:
        count = super().readinto(buffer)
        self._observe(memoryview(buffer)[:count])
        return count


class _OwningGzip(gzip.GzipFile):
    """Closes the file that it reads from, too."""

    def __init__(self, packed: BinaryIO) -> None:
        super().__init__(fileobj=packed, mode="rb")
        self._packed = packed

    def close(self) -> None:
        super().close()
        self._packed.close()
