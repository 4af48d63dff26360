"""Streams a log's lines as JSON, since a whole log may not fit into memory."""

from collections.abc import Iterator
from itertools import islice

import msgspec

from finery.kit.log_lines import LogView

BATCH_LINES = 1000


def log_json(head: bytes, view: LogView) -> Iterator[bytes]:
    """Yields `head`, which ends with the opening of the array, then the lines and `"total_lines"`.

    A piece holds many lines, since each piece costs a change of threads.
    """
    yield head
    separator = b""
    lines = view.lines()
    while batch := list(islice(lines, BATCH_LINES)):
        yield separator + msgspec.json.encode(batch)[1:-1]
        separator = b","
    yield b'],"total_lines":%d}' % view.total_lines
