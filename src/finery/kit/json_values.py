"""How many values a text of JSON holds, counted in its bytes: nothing is made of them."""

from collections.abc import Iterator

SCANNED = 256 << 10
"""Bytes that are looked at in one step."""


def holds_more_values(data: bytes, most: int) -> bool:
    """Whether there are more objects, lists and commas than `most`; those within strings are not counted."""
    # A value takes two bytes, its comma included. Few texts have as many commas: the dear way is for those.
    if len(data) <= 2 * most or _count(data) <= most:
        return False
    found = 0
    for outside, _ in outside_of_strings(data):
        found += _count(outside)
        if found > most:
            return True
    return False


def _count(data: bytes) -> int:
    # One pass; three counts take longer.
    return len(data) - len(data.translate(None, b",[{"))


def outside_of_strings(data: bytes) -> Iterator[tuple[bytes, int]]:
    """What stands outside of the strings, and how many quotation marks bound these, piece by piece: each step is one
    pass of C code, during which no other thread runs."""
    is_inside, rest = False, b""
    for start in range(0, len(data), SCANNED):
        piece = rest + data[start : start + SCANNED]
        # A backslash that escapes what comes in the next piece goes with it.
        is_cut = (len(piece) - len(piece.rstrip(b"\\"))) % 2 == 1
        piece, rest = (piece[:-1], b"\\") if is_cut else (piece, b"")
        bare = piece.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        yield b"".join(bare[int(is_inside) :: 2]), len(bare) - 1
        is_inside ^= len(bare) % 2 == 0
