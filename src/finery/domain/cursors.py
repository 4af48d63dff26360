"""Cursors of paged lists: the number of the last row of a page, which the client sends back."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from finery.domain.errors import DomainError, ErrorKind

T = TypeVar("T")

LONGEST = 18
"""In digits, which any database's 64-bit integer can hold."""


class BadCursor(DomainError):
    kind = ErrorKind.INVALID
    code = "bad_cursor"

    def __init__(self) -> None:
        super().__init__("the cursor is not one that this server gave; start without one", field="cursor")


def parse_cursor(cursor: str) -> int:
    """Return the row's number. Raises BadCursor."""
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > LONGEST:
        raise BadCursor()
    return int(cursor)


def cut_page(rows: Sequence[T], limit: int, number: Callable[[T], int]) -> tuple[Sequence[T], str | None]:
    """Return the first `limit` rows, and the next page's cursor where `limit + 1` rows were found."""
    return rows[:limit], str(number(rows[limit - 1])) if len(rows) > limit > 0 else None
