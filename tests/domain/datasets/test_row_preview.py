import gzip
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from finery.contracts.stored_datasets import Preview
from finery.domain.datasets import preview
from finery.domain.datasets.errors import DatasetUnreadable
from finery.domain.datasets.row_preview import MAX_ROW_CHARACTERS
from tests.domain.datasets.stored import lines


def show(path: Path, content: bytes, *, offset: int = 0, limit: int = 10) -> Preview:
    path.write_bytes(content)
    return preview(path, offset=offset, limit=limit, filename=path.name)


def values(found: Preview) -> list[Any]:
    return [row.value for row in found.rows]


class TestPreview:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.jsonl", lines(*({"n": number} for number in range(9)))),
            ("a.jsonl.gz", gzip.compress(lines(*({"n": number} for number in range(9))), mtime=0)),
            ("a.json", b"[" + b",".join(b'{"n": %d}' % number for number in range(9)) + b"]"),
            ("a.jsonl", b"\n\n" + lines(*({"n": number} for number in range(9))).replace(b"\n", b"\r\n\n")),
        ],
    )
    def test_some_rows_of_many(self, tmp_path: Path, name: str, content: bytes) -> None:
        found = show(tmp_path / name, content, offset=3, limit=2)
        assert values(found) == [{"n": 3}, {"n": 4}]
        assert [row.number for row in found.rows] == [4, 5]
        assert found.has_more
        assert not found.is_cut
        assert not show(tmp_path / name, content, offset=7, limit=2).has_more
        assert show(tmp_path / name, content, offset=9).rows == []

    def test_csv(self, tmp_path: Path) -> None:
        assert values(show(tmp_path / "a.csv", b"a,b\n1,2\n3,4\n", offset=1)) == [{"a": "3", "b": "4"}]

    def test_parquet(self, tmp_path: Path) -> None:
        table = pa.table({"at": [date(2026, 1, 2)], "raw": [b"abc"], "odd": [float("nan")], "list": [[1, 2]]})
        parquet.write_table(table, tmp_path / "b.parquet")
        found = show(tmp_path / "a.parquet", (tmp_path / "b.parquet").read_bytes())
        assert values(found) == [{"at": "2026-01-02", "raw": "<3 bytes>", "odd": None, "list": [1, 2]}]

    def test_broken_rows_are_told(self, tmp_path: Path) -> None:
        found = show(tmp_path / "a.jsonl", b'{"n": 1}\n{"n": \n{"n": 3}\n', offset=1)
        assert [(row.number, row.line, row.value) for row in found.rows] == [(2, 2, None), (3, 3, {"n": 3})]
        assert found.rows[0].problem

    def test_rows_of_parquet_that_cannot_be_had_are_told(self, tmp_path: Path) -> None:
        table = pa.table({"at": pa.array([0, 2**62], pa.timestamp("us")), "list": [[1], [2]]})
        parquet.write_table(table, tmp_path / "b.parquet")
        found = show(tmp_path / "a.parquet", (tmp_path / "b.parquet").read_bytes())
        assert [(row.number, row.value is None, bool(row.problem)) for row in found.rows] == [
            (1, False, False),
            (2, True, True),
        ]

    @pytest.mark.parametrize("value", ["x" * 10**6, ["x" * 1000] * 1000, ["ab"] * 49_000, {"a": ["y" * 10**6] * 3}])
    def test_long_rows_are_cut(self, tmp_path: Path, value: Any) -> None:
        found = show(tmp_path / "a.jsonl", lines({"n": value}))
        assert found.is_cut
        assert len(found.model_dump_json()) < 5 * MAX_ROW_CHARACTERS

    def test_no_table(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetUnreadable, match=r"a\.jsonl: .*zip"):
            show(tmp_path / "a.jsonl", b"PK\x03\x04")
