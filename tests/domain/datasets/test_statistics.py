from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finery.contracts.stored_datasets import Statistics
from finery.domain.datasets import measure
from finery.domain.datasets.errors import DatasetUnreadable
from finery.domain.datasets.statistics import BUCKETS, Histogram, estimate_tokens
from tests.domain.datasets.stored import lines


def count(tmp_path: Path, *rows: Any) -> Statistics:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(lines(*rows))
    return measure(path, filename="rows.jsonl")


class TestMeasure:
    def test_roles_and_lengths(self, tmp_path: Path) -> None:
        asked = [{"role": "system", "content": "ab"}, {"role": "user", "content": "abcd"}]
        found = count(
            tmp_path,
            {"messages": [*asked, {"role": "assistant", "content": "abcde"}]},
            {"prompt": "abc", "completion": "de"},
        )
        assert (found.rows, found.invalid) == (2, 0)
        assert found.shapes == {"messages": 1, "prompt_completion": 1}
        assert found.roles == {"user": 2, "assistant": 2, "system": 1}
        assert (found.characters.total, found.characters.min, found.characters.max) == (16, 5, 11)
        assert found.messages.mean == 2.5
        assert found.tokens.total == (1 + 1 + 2 + 3 * 4) + (1 + 1 + 2 * 4)

    def test_each_kind_of_row(self, tmp_path: Path) -> None:
        found = count(
            tmp_path,
            {"prompt": "a", "chosen": "b", "rejected": "c"},
            {"prompt": "a", "completion": "b", "label": True},
            {"text": "abc"},
            {"instruction": "a", "output": "b"},
        )
        assert found.invalid == 0
        assert set(found.shapes) == {"preference", "feedback", "text", "alpaca"}
        assert found.roles == {"assistant": 4, "user": 3}

    def test_a_call_counts_as_its_json(self, tmp_path: Path) -> None:
        call = {"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
        answer = {"role": "assistant", "content": "", "tool_calls": [call]}
        found = count(tmp_path, {"messages": [{"role": "user", "content": "a"}, answer]})
        assert found.characters.total > 20

    def test_invalid_rows_count_as_rows_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        path.write_bytes(b'{"text": "ab"}\n{"text": \n{"what": 1}\n')
        found = measure(path, filename="rows.jsonl")
        assert (found.rows, found.invalid, found.characters.total) == (3, 2, 2)

    def test_rows_by_language(self, tmp_path: Path) -> None:
        turns = [{"role": "user", "content": "안녕하세요"}, {"role": "assistant", "content": "Hello"}]
        found = count(tmp_path, {"messages": turns}, {"text": "plain English"}, {"text": "More of it"})
        assert found.languages == {"Latn": 2, "ko": 1}

    def test_none(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.csv"
        path.write_bytes(b"text\n")
        found = measure(path, filename="rows.csv")
        assert (found.rows, found.tokens.mean, found.tokens.p95) == (0, 0.0, 0)

    def test_no_table(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.parquet"
        path.write_bytes(b"PAR1 and no more")
        with pytest.raises(DatasetUnreadable):
            measure(path, filename="rows.parquet")


class TestEstimateTokens:
    @pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("모델", 2)])
    def test_a_quarter_of_the_bytes(self, text: str, tokens: int) -> None:
        assert estimate_tokens(text) == tokens


class TestHistogram:
    @given(st.lists(st.integers(min_value=0, max_value=10**8), min_size=1, max_size=200))
    def test_is_as_close_as_it_says(self, values: list[int]) -> None:
        histogram = Histogram()
        for value in values:
            histogram.add(value)
        found = histogram.lengths()
        ordered = sorted(values)
        assert (found.min, found.max, found.total) == (ordered[0], ordered[-1], sum(values))
        for share, shown in ((50, found.p50), (95, found.p95)):
            exact = ordered[-(-len(values) * share // 100) - 1]
            assert abs(shown - exact) <= (0 if exact < 512 else exact * 0.004)

    @given(st.lists(st.integers(min_value=0, max_value=10**8), min_size=1, max_size=200))
    def test_its_buckets_hold_every_row_and_have_no_gap(self, values: list[int]) -> None:
        histogram = Histogram()
        for value in values:
            histogram.add(value)
        buckets = histogram.lengths().buckets
        assert 1 <= len(buckets) <= BUCKETS + 2
        assert sum(bucket.count for bucket in buckets) == len(values)
        assert (buckets[0].least <= min(values), buckets[-1].most) == (True, max(values))
        assert all(before.most + 1 == after.least for before, after in pairwise(buckets))

    def test_one_long_row_does_not_press_the_others_into_one_bucket(self) -> None:
        histogram = Histogram()
        for value in [*range(100, 400), 10**6]:
            histogram.add(value)
        buckets = histogram.lengths().buckets
        assert [bucket.count for bucket in buckets[:3]] == [10, 10, 10]
        assert (buckets[-1].most, len(buckets)) == (10**6, 30)
