"""Recognizes one JSON object over several lines in a file that should be JSON Lines, and says what to write."""

import re

_LIST = re.compile(rb'"([^"\\\x00-\x1f]{1,100}+)"\s*+:\s*+\[')


def goes_on(line: bytes, block: bytes) -> bool:
    """Returns whether the object in a file's first line, which is no JSON by itself, continues in the next."""
    return line.rstrip().endswith((b"{", b"[", b'",')) and line.strip() != block.strip()


def several_lines(block: bytes) -> str:
    """Returns the error message for such a file, with the name of the list that may hold its rows."""
    key = _LIST.search(block)
    hint = f" (of its list {key[1].decode(errors='replace')!r} alone, if that holds the rows)" if key else ""
    return f"the file is one object over several lines; write an array, or one object a line{hint}"
