"""A log's lines as JSON text, made as it is sent: the whole of a log may not fit into memory."""

from collections.abc import Iterator
from itertools import islice

import msgspec

from finery.kit.log_lines import LogView

BATCH_LINES = 1000


def log_json(head: bytes, view: LogView) -> Iterator[bytes]:
    """`head` up to the array of lines, the lines, and `"total_lines"`; in pieces of many lines, since each piece costs
    a change of threads."""
    yield head
    separator = b""
    lines = view.lines()
    while batch := list(islice(lines, BATCH_LINES)):
        yield separator + msgspec.json.encode(batch)[1:-1]
        separator = b","
    yield b'],"total_lines":%d}' % view.total_lines
