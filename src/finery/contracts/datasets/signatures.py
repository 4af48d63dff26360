"""Rows told apart by 64 bits each, so that the same row is found again in flat memory."""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence

from finery.contracts.datasets.report import MAX_NAMED, Duplicates, Place, Repetition, Shared

MAX_ROWS = 2_000_000
"""At 8 bytes a row, and 24 more where rows are not one to a line."""
PART_ROWS = 1 << 18


class Signatures:
    """Of a file's first rows, with their places. They hold within one process: Python salts its hashes."""

    def __init__(self, limit: int = MAX_ROWS) -> None:
        self._limit = limit
        self._hashes = array("q")
        # Where the places of consecutive rows begin: the index, its line, its row.
        self._starts = array("Q")
        self._start_lines = array("Q")
        self._start_rows = array("Q")
        self._next_line = self._next_row = 0

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, value: int, line: int, row: int) -> None:
        """`value`: the hash of what the row says."""
        if len(self._hashes) >= self._limit:
            return
        if line != self._next_line or row != self._next_row:
            self._starts.append(len(self._hashes))
            self._start_lines.append(line)
            self._start_rows.append(row)
        self._hashes.append(value)
        self._next_line, self._next_row = line + 1, row + 1

    def duplicates(self) -> Duplicates:
        repeated: set[int] = set()
        for part in range(self._parts()):
            values = self._part(part, self._parts())
            if len(set(values)) != len(values):
                repeated |= {value for value, count in Counter(values).items() if count > 1}
        count, pairs = 0, []
        first_of: dict[int, int] = {}
        for index, value in enumerate(self._hashes) if repeated else ():
            if value in repeated and (first := first_of.setdefault(value, index)) != index:
                count += 1
                if count <= MAX_NAMED:
                    pairs.append(Repetition(first=_named(self._place(first)), again=_named(self._place(index))))
        return Duplicates(count=count, pairs=tuple(pairs), compared=len(self))

    def shared_with(self, other: "Signatures") -> tuple[int, tuple[Shared, ...]]:
        """How many of these rows the other file has too, and the first of them."""
        shared: set[int] = set()
        parts = max(self._parts(), other._parts())
        for part in range(parts):
            shared |= set(self._part(part, parts)) & set(other._part(part, parts))
        count, pairs = 0, []
        for index, value in enumerate(self._hashes) if shared else ():
            if value in shared:
                count += 1
                if count <= MAX_NAMED:
                    there = other._place(other._hashes.index(value))
                    pairs.append(Shared(row=_named(self._place(index)), validation=_named(there)))
        return count, tuple(pairs)

    def _parts(self) -> int:
        return len(self) // PART_ROWS + 1

    def _part(self, part: int, parts: int) -> Sequence[int]:
        """One of several parts of the hashes, equal ones in the same: only so many are looked at as a set at a time."""
        return self._hashes if parts == 1 else [value for value in self._hashes if value % parts == part]

    def _place(self, index: int) -> tuple[int, int]:
        """Line and row."""
        run = bisect_right(self._starts, index) - 1
        offset = index - self._starts[run]
        return self._start_lines[run] + offset, self._start_rows[run] + offset


def _named(place: tuple[int, int]) -> Place:
    return Place(line=place[0], row=place[1])
