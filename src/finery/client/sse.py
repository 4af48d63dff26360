"""Server-sent events from bytes, as the HTML standard reads them (section 9.2.6, Interpreting an event stream)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Only these end a line. str.splitlines knows more of them, and would cut a JSON text at a U+2028.
LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class Message:
    id: str
    """The last id seen on the stream; empty when there was none."""
    event: str
    data: str


def read_messages(chunks: Iterable[bytes]) -> Iterator[Message]:
    """Whole messages only: what a broken connection leaves unfinished is dropped."""
    identity, event, data = "", "", list[str]()
    for line in read_lines(chunks):
        if not line:
            if data:
                yield Message(identity, event or "message", "\n".join(data))
            event, data = "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "event":
            event = value
        elif name == "id" and "\0" not in value:
            identity = value


def read_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        # A CR at the end may be the first half of CR LF: it waits for the next chunk.
        *lines, rest = _split(rest + chunk)
        for line in lines:
            yield line.decode("utf-8", errors="replace")
    if rest.endswith(b"\r"):
        yield rest[:-1].decode("utf-8", errors="replace")


def _split(data: bytes) -> list[bytes]:
    if not data.endswith(b"\r"):
        return LINE_END.split(data)
    *lines, last = LINE_END.split(data[:-1])
    return [*lines, last + b"\r"]
