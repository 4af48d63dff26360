"""A streaming parser of `multipart/form-data` (RFC 7578), which passes on content without copying it if possible.

With python-multipart's push parser instead, an upload takes 1.4 times the processor time (docs/benchmarks.md,
"Uploads").
"""

import re
from collections.abc import Iterator
from enum import Enum, auto

from finery.kit.translatable import Translatable

MAX_HEADER_BYTES = 8192
MAX_BOUNDARY_BYTES = 70

Headers = dict[bytes, bytes]
"""The headers of a part; names are in lower case."""


class MalformedForm(ValueError):
    """The form is malformed; the message is for the user."""


class _State(Enum):
    CONTENT = auto()
    AFTER_BOUNDARY = auto()
    HEADERS = auto()
    END = auto()


class Multipart:
    """Is fed chunk by chunk. It yields a part's headers at its start, then its content piece by piece."""

    def __init__(self, boundary: bytes) -> None:
        """Raises MalformedForm."""
        if not 1 <= len(boundary) <= MAX_BOUNDARY_BYTES:
            raise MalformedForm(
                Translatable(
                    "the form's boundary must have 1 to {max_boundary_bytes} characters",
                    max_boundary_bytes=MAX_BOUNDARY_BYTES,
                )
            )
        self._delimiter = b"\r\n--" + boundary
        # A regular expression finds a text of this length several times faster than bytes.find.
        self._search = re.compile(re.escape(self._delimiter)).search
        # The first boundary may start the body. With a line's end put before it, it is like any other.
        self._held = b"\r\n"
        self._state = _State.CONTENT
        self._in_part = False

    @property
    def is_whole(self) -> bool:
        """Whether the last boundary was read."""
        return self._state is _State.END

    def feed(self, chunk: bytes) -> Iterator[Headers | bytes]:
        """Parses a chunk. Raises MalformedForm. The iterator must be exhausted before the next call."""
        data = self._held + chunk if self._held else chunk
        self._held = b""
        while data and self._state is not _State.END:
            match self._state:
                case _State.CONTENT:
                    piece, data = self._content(data)
                    if piece and self._in_part:
                        yield piece
                case _State.AFTER_BOUNDARY:
                    data = self._after_boundary(data)
                case _State.HEADERS:
                    headers, data = self._headers(data)
                    if headers is not None:
                        self._in_part = True
                        yield headers

    def _content(self, data: bytes) -> tuple[bytes, bytes]:
        # Most chunks hold no carriage return, and the search for one byte is cheap.
        first = data.find(b"\r")
        if first < 0:
            return data, b""
        if found := self._search(data, first):
            self._state = _State.AFTER_BOUNDARY
            return data[: found.start()], data[found.end() :]
        # The end of the chunk may be the start of a boundary, and is held back then.
        start = data.find(b"\r", max(first, len(data) - len(self._delimiter) + 1))
        while start >= 0 and not self._delimiter.startswith(data[start:]):
            start = data.find(b"\r", start + 1)
        if start < 0:
            return data, b""
        self._held = data[start:]
        return data[:start], b""

    def _after_boundary(self, data: bytes) -> bytes:
        self._in_part = False
        if data.startswith(b"--"):
            self._state = _State.END
            return b""
        line = data.lstrip(b" \t")
        if line.startswith(b"\r\n"):
            self._state = _State.HEADERS
            return line
        if len(data) > MAX_HEADER_BYTES or line not in (b"", b"\r", b"-"):
            raise MalformedForm(Translatable("the form cannot be read: it is malformed"))
        self._held = data
        return b""

    def _headers(self, data: bytes) -> tuple[Headers | None, bytes]:
        """`data` begins with the line's end before the first header."""
        end = data.find(b"\r\n\r\n", 0, MAX_HEADER_BYTES + 4)
        if end < 0 and len(data) > MAX_HEADER_BYTES:
            raise MalformedForm(Translatable("a part's header is too long"))
        if end < 0:
            self._held = data
            return None, b""
        self._state = _State.CONTENT
        return dict(_header(line) for line in data[2:end].split(b"\r\n") if line), data[end + 4 :]


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not name.strip():
        raise MalformedForm(Translatable("the form cannot be read: it is malformed"))
    return name.strip().lower(), value.strip()
