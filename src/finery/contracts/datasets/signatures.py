"""Rows told apart by 64 bits each, so that the same row is found again in flat memory."""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from finery.contracts.datasets.report import MAX_NAMED, Duplicates, Place, Repetition, Shared
from finery.contracts.datasets.rows import Conversation, Example, Feedback, Message, Preference, Task, Text

MAX_ROWS = 2_000_000
"""At 8 bytes a row, and 24 more where rows are not one to a line."""
PART_ROWS = 1 << 18

Texts = tuple[str, ...]


class Signatures:
    """Of a file's first rows, with their places. They hold within one process: Python salts its hashes."""

    def __init__(self, limit: int = MAX_ROWS) -> None:
        self._limit = limit
        self._hashes = array("q")
        # Where the places of consecutive rows begin: the index, its line, its row.
        self._starts = array("Q")
        self._start_lines = array("Q")
        self._start_rows = array("Q")

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, hashes: Sequence[int], line: int, row: int) -> None:
        """Of consecutive rows on lines of their own."""
        if len(self._hashes) >= self._limit:
            return
        if not self._hashes or self._place(len(self._hashes)) != (line, row):
            self._starts.append(len(self._hashes))
            self._start_lines.append(line)
            self._start_rows.append(row)
        self._hashes.extend(hashes)

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
        """Line and row; of the index past the end, where the next would follow."""
        run = bisect_right(self._starts, index) - 1
        offset = index - self._starts[run]
        return self._start_lines[run] + offset, self._start_rows[run] + offset


def _named(place: tuple[int, int]) -> Place:
    return Place(line=place[0], row=place[1])


def texts_of(example: Example) -> Texts:
    """What is said in a row, in order; tool calls by name and arguments."""
    match example:
        case Text():
            return (example.text,)
        case Conversation():
            return said(example.messages)
        case Preference():
            return (*said(example.prompt), *said(example.chosen), *said(example.rejected))
        case Feedback():
            return (*said(example.prompt), *said(example.completion), str(example.label))
        case Task():
            return said(example.prompt)


def said(messages: Sequence[Message]) -> Texts:
    return tuple(part for message in messages for part in _parts_of(message))


def call_text(name: str, arguments: object) -> str:
    """The same for the same arguments in any order. What JSON cannot hold counts as no arguments."""
    try:
        return f"{name}({_IN_ORDER.encode(arguments).decode()})"
    except (TypeError, UnicodeEncodeError, RecursionError):
        return f"{name}()"


_IN_ORDER = msgspec.json.Encoder(order="sorted")


def _parts_of(message: Message) -> Iterator[str]:
    yield message["content"]
    for call in message.get("tool_calls", ()):
        yield call_text(call["function"]["name"], call["function"]["arguments"])
