"""Parser of server-sent events, as the HTML standard reads them (section 9.2.6, Interpreting an event stream)."""

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
    """Yields whole messages only, and drops what a broken connection leaves unfinished."""
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
    """Yields the lines without their ends; a last line that has no end is dropped."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        # A CR at the end may be the first half of CR LF: it waits for the next chunk.
        waiting = b"\r" if data.endswith(b"\r") else b""
        *lines, rest = LINE_END.split(data.removesuffix(waiting))
        rest += waiting
        for line in lines:
            yield line.decode("utf-8", errors="replace")
    if rest.endswith(b"\r"):
        yield rest[:-1].decode("utf-8", errors="replace")
