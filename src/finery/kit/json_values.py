"""Counts the values in JSON bytes without parsing them, to refuse texts that would become too many objects."""

from collections.abc import Iterator

SCANNED = 256 << 10
"""Bytes that are scanned in one step."""


def holds_more_values(data: bytes, most: int) -> bool:
    """Returns whether there are more than `most` objects, lists and commas outside of strings."""
    # A value takes two bytes with its comma, so short texts cannot hold as many. Few others need the slow exact count.
    if len(data) <= 2 * most or _count(data) <= most:
        return False
    count = 0
    for outside, _ in outside_of_strings(data):
        count += _count(outside)
        if count > most:
            return True
    return False


def _count(data: bytes) -> int:
    # One pass of translate is faster than three calls of count.
    return len(data) - len(data.translate(None, b",[{"))


def outside_of_strings(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yields the bytes outside of strings and the number of quotation marks, piece by piece: no other thread can run
    while C code scans a piece."""
    is_inside, rest = False, b""
    for start in range(0, len(data), SCANNED):
        piece = rest + data[start : start + SCANNED]
        # A backslash that escapes the first byte of the next piece is moved there.
        is_cut = (len(piece) - len(piece.rstrip(b"\\"))) % 2 == 1
        piece, rest = (piece[:-1], b"\\") if is_cut else (piece, b"")
        bare = piece.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        yield b"".join(bare[int(is_inside) :: 2]), len(bare) - 1
        is_inside ^= len(bare) % 2 == 0
