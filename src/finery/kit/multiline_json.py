"""Files that should have an object a line, and have one over several lines: what is said of them."""

import re

_LIST = re.compile(rb'"([^"\\\x00-\x1f]{1,100}+)"\s*+:\s*+\[')


def goes_on(line: bytes, block: bytes) -> bool:
    """Tell whether the object in a file's first line, which is no JSON by itself, goes on in the `block`'s next."""
    return line.rstrip().endswith((b"{", b"[", b":", b'",')) and line.strip() != block.strip()


def several_lines(block: bytes) -> str:
    """Return the one sentence about such a file, with the list in which its rows may stand."""
    key = _LIST.search(block)
    hint = f" (of its list {key[1].decode(errors='replace')!r} alone, if that holds the rows)" if key else ""
    return f"the file is one object over several lines; write an array, or one object a line{hint}"
