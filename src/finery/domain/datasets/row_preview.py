"""Previews rows of a stored file as JSON, cut to a bounded size."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any

from finery.contracts.stored_datasets import Preview, PreviewRow
from finery.domain.datasets.errors import DatasetUnreadable
from finery.kit.tables import BrokenRow, Row, UnreadableTable, scan_rows

MAX_ROW_CHARACTERS = 64 << 10
"""A row is cut there."""
MAX_DEPTH = 20
CUT = "…"


def preview(path: Path, *, offset: int, limit: int, filename: str) -> Preview:
    """Return `limit` rows after the first `offset`. Raises DatasetUnreadable."""
    with refuse_unreadable(filename):
        found = list(islice(scan_rows(path, wanted=lambda number: number > offset), limit + 1))
    shown = [preview_row(row) for row in found[:limit]]
    return Preview(
        rows=[row for row, _ in shown], is_cut=any(is_cut for _, is_cut in shown), has_more=len(found) > limit
    )


def preview_row(row: Row | BrokenRow) -> tuple[PreviewRow, bool]:
    """Return the row as JSON has it, and whether something was cut off."""
    if isinstance(row, BrokenRow):
        return PreviewRow(number=row.number, line=row.line, value=None, problem=row.reason), False
    converter = _JsonConverter()
    value = {key: converter.convert(item, MAX_DEPTH) for key, item in row.value.items()}
    return PreviewRow(number=row.number, line=row.line, value=value), converter.is_cut


@contextmanager
def refuse_unreadable(filename: str) -> Iterator[None]:
    """Raise DatasetUnreadable, which names the file as its user does, where the block finds it unreadable."""
    try:
        yield
    except UnreadableTable as error:
        raise DatasetUnreadable(filename, str(error)) from error
    except FileNotFoundError as error:
        raise DatasetUnreadable(filename, "was deleted while it was read") from error


class _JsonConverter:
    """Converts one row: what JSON cannot represent becomes text, and what exceeds the bounds is cut."""

    def __init__(self) -> None:
        self.is_cut = False
        self._left = MAX_ROW_CHARACTERS

    def convert(self, value: Any, depth: int) -> Any:
        if depth == 0 or self._left <= 0:
            self.is_cut = True
            return CUT
        match value:
            case dict():
                return {self._text(str(key)): self.convert(item, depth - 1) for key, item in self._some(value.items())}
            case list() | tuple():
                return [self.convert(item, depth - 1) for item in self._some(value)]
            case str():
                return self._text(value)
            case float() if not math.isfinite(value):
                return None
            case date() | datetime() | time():
                return value.isoformat()
            case bytes():
                return f"<{len(value)} bytes>"
            case bool() | int() | float() | None:
                return value
        return self._text(str(value))

    def _some(self, items: Any) -> Iterator[Any]:
        for item in items:
            self._left -= 1
            if self._left <= 0:
                self.is_cut = True
                return
            yield item

    def _text(self, text: str) -> str:
        shown, self._left = text[: self._left], self._left - len(text)
        if len(shown) == len(text):
            return text
        self.is_cut = True
        return shown + CUT
