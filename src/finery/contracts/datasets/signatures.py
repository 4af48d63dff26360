"""Finds duplicate rows, within a file and between two, by a 64-bit hash per row in compact arrays."""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence

from finery.contracts.datasets.report import MAX_NAMED, Duplicates, Place, Repetition, Shared

MAX_ROWS = 2_000_000
"""Each row takes 8 bytes, and 24 more if rows do not have one line each."""
PART_ROWS = 1 << 18


class Signatures:
    """Hashes and positions of a file's first rows. They are valid in one process only: Python salts hashes."""

    def __init__(self, limit: int = MAX_ROWS) -> None:
        self._limit = limit
        self._hashes = array("q")
        # The starts of runs of consecutive rows, one to a line: the index of the first, its line and its number.
        self._starts = array("Q")
        self._start_lines = array("Q")
        self._start_rows = array("Q")
        self._next_line = self._next_row = 0

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, value: int, line: int, row: int) -> None:
        """Adds a row. `value`: the hash of its texts."""
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
        """Returns how many of these rows the other file has too, and the first of them."""
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
        """Returns one of several partitions of the hashes, equal ones in the same, so that sets of them stay small."""
        return self._hashes if parts == 1 else [value for value in self._hashes if value % parts == part]

    def _place(self, index: int) -> tuple[int, int]:
        """Returns line and number of the row at `index`."""
        run = bisect_right(self._starts, index) - 1
        offset = index - self._starts[run]
        return self._start_lines[run] + offset, self._start_rows[run] + offset


def _named(place: tuple[int, int]) -> Place:
    return Place(line=place[0], row=place[1])
