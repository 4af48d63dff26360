import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finery.contracts.stored_datasets import DatasetDiff
from finery.domain.datasets import diff
from finery.domain.datasets.errors import DatasetUnreadable
from finery.domain.datasets.row_diff import row_hash
from tests.domain.datasets.stored import lines


def compare(folder: Path, old: bytes, new: bytes, *, suffix: str = ".jsonl") -> DatasetDiff:
    (folder / "old.jsonl").write_bytes(old)
    (folder / f"new{suffix}").write_bytes(new)
    return diff(folder / "old.jsonl", folder / f"new{suffix}", old_name="old", new_name="new")


def counts(found: DatasetDiff) -> tuple[int, int, int]:
    return found.added, found.removed, found.kept


class TestDiff:
    def test_rows_that_came_and_went(self, tmp_path: Path) -> None:
        found = compare(tmp_path, lines({"n": 1}, {"n": 2}, {"n": 3}), lines({"n": 3}, {"n": 4}, {"n": 1}))
        assert counts(found) == (1, 1, 2)
        assert [(row.line, row.value) for row in found.first_added] == [(2, {"n": 4})]
        assert [(row.line, row.value) for row in found.first_removed] == [(2, {"n": 2})]
        assert (found.old.rows, found.new.rows) == (3, 3)

    @settings(max_examples=25, deadline=None)
    @given(old=st.lists(st.integers(0, 8), max_size=40), new=st.lists(st.integers(0, 8), max_size=40))
    def test_equal_rows_are_counted(self, tmp_path_factory: Any, old: list[int], new: list[int]) -> None:
        folder = tmp_path_factory.mktemp("diff")
        found = compare(folder, lines(*({"n": each} for each in old)), lines(*({"n": each} for each in new)))
        before, after = Counter(old), Counter(new)
        assert counts(found) == ((after - before).total(), (before - after).total(), (before & after).total())
        assert len(found.first_added) == min(5, found.added)

    def test_the_first_few_are_shown_in_order(self, tmp_path: Path) -> None:
        found = compare(tmp_path, b"", lines(*({"n": number} for number in range(1000))))
        assert [row.value for row in found.first_added] == [{"n": number} for number in range(5)]

    def test_neither_order_nor_format_counts(self, tmp_path: Path) -> None:
        rows = lines({"a": "1", "b": "x"}, {"a": "2", "b": "y"})
        assert counts(compare(tmp_path, rows, b'[{"b":"y","a":"2"},\n{"b": "x", "a": "1"}]', suffix=".json")) == (
            0,
            0,
            2,
        )
        assert counts(compare(tmp_path, rows, b"b,a\nx,1\ny,2\n", suffix=".csv")) == (0, 0, 2)

    def test_unreadable_rows_are_compared_with_none(self, tmp_path: Path) -> None:
        found = compare(tmp_path, b'{"n": 1}\n{"n": \n', b'{"n": 1}\n{"n": \n')
        assert counts(found) == (0, 0, 1)
        assert (found.old.rows, found.old.unreadable) == (2, 1)

    def test_no_table(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetUnreadable, match=r"^new: "):
            compare(tmp_path, lines({"n": 1}), b"%PDF")

    @pytest.mark.thorough
    def test_memory_does_not_grow_with_the_rows(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("finery.domain.datasets.row_diff.SPOOL_BYTES", 1 << 10)
        peaks = []
        for count in (10_000, 30_000):
            long = "x" * 400
            (tmp_path / "old.jsonl").write_bytes(lines(*({"n": number, "text": long} for number in range(count))))
            tracemalloc.start()
            assert diff(tmp_path / "old.jsonl", tmp_path / "old.jsonl", old_name="", new_name="").added == 0
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert peaks[1] - peaks[0] < 20_000 * 24


class TestRowHash:
    def test_the_order_of_keys_does_not_count(self) -> None:
        assert row_hash({"a": {"b": 1, "c": 2}, "d": 3}) == row_hash({"d": 3, "a": {"c": 2, "b": 1}})

    def test_what_differs_differs(self) -> None:
        values: list[Any] = [
            {"a": 1},
            {"a": "1"},
            {"a": [1]},
            {"a": None},
            {},
            {"a": True},
            {"a": [1, 2]},
            {"a": [2, 1]},
        ]
        assert len({row_hash(value) for value in values}) == len(values)
