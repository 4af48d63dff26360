"""Compares the rows of two files as multisets, in constant memory."""

import hashlib
import heapq
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Self

import msgspec

from finery.contracts.stored_datasets import DatasetDiff, DiffSide, PreviewRow
from finery.domain.datasets.row_preview import preview_row, refuse_unreadable
from finery.kit.tables import BrokenRow, Row, scan_rows

PARTITIONS = 64
"""Rows are compared one part at a time: those whose hashes have the same first byte modulo PARTITIONS."""
SPOOL_BYTES = 64 << 10
"""A larger part goes to a temporary file."""
HASH_BYTES = 16
NUMBER_BYTES = 8
ENTRY_BYTES = HASH_BYTES + NUMBER_BYTES
MAX_SHOWN = 5
"""How many added and how many removed rows are shown."""


def diff(old: Path, new: Path, *, old_name: str, new_name: str) -> DatasetDiff:
    """Compare rows by their content, whatever the order of their keys. Raises DatasetUnreadable."""
    with ExitStack() as stack:
        before = stack.enter_context(_Side(old, old_name))
        after = stack.enter_context(_Side(new, new_name))
        kept, removed, added = 0, _FirstRows(), _FirstRows()
        for index in range(PARTITIONS):
            gone = before.part(index)
            for digest, numbers in after.part(index).items():
                common = min(len(numbers), len(gone.get(digest, ())))
                kept += common
                added.add(numbers[common:])
                if common:
                    gone[digest] = gone[digest][common:]
            for numbers in gone.values():
                removed.add(numbers)
        return DatasetDiff(
            old=before.summary,
            new=after.summary,
            added=added.count,
            removed=removed.count,
            kept=kept,
            first_added=_show(new, added.numbers),
            first_removed=_show(old, removed.numbers),
        )


def row_hash(value: object) -> bytes:
    """Return the hash of the row in canonical JSON."""
    canonical = msgspec.json.encode(value, enc_hook=str, order="sorted")
    return hashlib.blake2b(canonical, digest_size=HASH_BYTES).digest()


class _Side:
    """The hashes of a file's rows, each with the row's number, sorted into parts."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._stack = ExitStack()
        self._files: list[SpooledTemporaryFile[bytes]] = []
        self._rows = 0
        self._unreadable = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack, refuse_unreadable(self._name):
            self._files = [stack.enter_context(SpooledTemporaryFile(SPOOL_BYTES)) for _ in range(PARTITIONS)]
            for row in scan_rows(self._path):
                self._add(row)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def summary(self) -> DiffSide:
        return DiffSide(rows=self._rows, unreadable=self._unreadable)

    def part(self, index: int) -> dict[bytes, list[int]]:
        """Return the hashes of a part, each with the numbers of its rows in order."""
        self._files[index].seek(0)
        data = self._files[index].read()
        found: dict[bytes, list[int]] = {}
        for at in range(0, len(data), ENTRY_BYTES):
            number = int.from_bytes(data[at + HASH_BYTES : at + ENTRY_BYTES])
            found.setdefault(data[at : at + HASH_BYTES], []).append(number)
        return found

    def _add(self, row: Row | BrokenRow) -> None:
        self._rows += 1
        if isinstance(row, BrokenRow):
            self._unreadable += 1
            return
        digest = row_hash(row.value)
        self._files[digest[0] % PARTITIONS].write(digest + row.number.to_bytes(NUMBER_BYTES))


class _FirstRows:
    """Counts rows, and keeps the numbers of the first MAX_SHOWN."""

    def __init__(self) -> None:
        self.count = 0
        self.numbers: list[int] = []

    def add(self, numbers: list[int]) -> None:
        self.count += len(numbers)
        self.numbers = heapq.nsmallest(MAX_SHOWN, [*self.numbers, *numbers[:MAX_SHOWN]])


def _show(path: Path, numbers: list[int]) -> list[PreviewRow]:
    found = islice(scan_rows(path, wanted=frozenset(numbers).__contains__), len(numbers))
    return [preview_row(row)[0] for row in found] if numbers else []
