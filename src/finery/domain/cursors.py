"""Where a page of a list ended: the number of its last row, which the client gives back."""

from finery.domain.errors import DomainError, ErrorKind

LONGEST = 18
"""Digits: as many as any database's integer holds."""


class BadCursor(DomainError):
    kind = ErrorKind.INVALID
    code = "bad_cursor"

    def __init__(self) -> None:
        super().__init__("the cursor is not one that this server gave; start without one", field="cursor")


def parse_cursor(cursor: str) -> int:
    """Raises BadCursor."""
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > LONGEST:
        raise BadCursor()
    return int(cursor)
