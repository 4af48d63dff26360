import gzip
import io
import json
import pickle
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finery.kit import tables, text_chunks
from finery.kit.tables import (
    BrokenRow,
    DamagedFile,
    ObjectDecoder,
    Row,
    TableFormat,
    UnknownFormat,
    UnreadableTable,
    scan_rows,
    sniff,
)

SHARED = Path(__file__).parents[3] / "shared" / "data"

ROWS = [{"a": "x"}, {"a": 'br{ack]et "quoted" \\ back'}, {"a": None, "b": [1, {"c": "\n"}], "d": "日本語 🙂"}]


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def stream_rows(path: Path) -> Iterator[Row]:
    for row in scan_rows(path):
        if isinstance(row, BrokenRow):
            raise row
        yield row


def values(path: Path) -> list[dict[str, object]]:
    return [row.value for row in stream_rows(path)]


class Noting(ObjectDecoder):
    """Notes what it decodes: rows alone, and how many together."""

    def __init__(self) -> None:
        self.alone: list[bytes] = []
        self.together: list[int] = []

    def decode(self, data: bytes) -> dict[str, Any]:
        self.alone.append(data)
        return super().decode(data)

    def decode_lines(self, block: bytes) -> Sequence[dict[str, Any]]:
        rows = super().decode_lines(block)
        self.together.append(len(rows))
        return rows


def json_lines(rows: list[dict[str, object]], end: str = "\n") -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + end for row in rows).encode()


def parquet_bytes(rows: list[dict[str, object]]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    sink = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), sink, row_group_size=2)
    return sink.getvalue()


FORMS = {
    "lines.jsonl": json_lines(ROWS),
    "lines.json": json_lines(ROWS),
    "lines.ndjson": json_lines(ROWS).rstrip(b"\n"),
    "crlf.jsonl": json_lines(ROWS, "\r\n"),
    "blank-lines.jsonl": b"\n\n" + json_lines(ROWS, "\n \n"),
    "bom.jsonl": b"\xef\xbb\xbf" + json_lines(ROWS),
    "packed.jsonl.gz": gzip.compress(json_lines(ROWS)),
    "packed-though-not-named-so.jsonl": gzip.compress(json_lines(ROWS)),
    "utf-16.jsonl": json_lines(ROWS).decode().encode("utf-16"),
    "utf-16-no-mark.jsonl": json_lines(ROWS).decode().encode("utf-16-le"),
    "utf-16-be-no-mark.jsonl": json_lines(ROWS).decode().encode("utf-16-be"),
    "utf-32.jsonl": json_lines(ROWS).decode().encode("utf-32"),
    "array.json": json.dumps(ROWS, indent=2).encode(),
    "array-tight.json": json.dumps(ROWS, separators=(",", ":")).encode(),
    "array.jsonl": json.dumps(ROWS).encode(),
    "array-bom.json": b"\xef\xbb\xbf\r\n " + json.dumps(ROWS).encode(),
    "array.json.gz": gzip.compress(json.dumps(ROWS).encode()),
    "array-utf-16.json": json.dumps(ROWS, ensure_ascii=False).encode("utf-16"),
    "named-otherwise.dat": json.dumps(ROWS).encode(),
}

CSV_ROWS = [{"a": "x", "b": ""}, {"a": 'two\nlines, "quoted"', "b": "日本"}]
CSV_TEXT = 'a,b\nx,\n"two\nlines, ""quoted""",日本\n'

BROKEN = {
    "no JSON": (b'{"a": 1}\n{"a": \n{"a": 2}\n', 2, "truncated"),
    "NaN": (b'{"a": NaN}\n', 1, "invalid character"),
    "Infinity": (b'{"a": Infinity}\n', 1, "invalid character"),
    "number out of range": (b'{"a": 1e999}\n', 1, "out of range"),
    "no object": (b'{"a": 1}\n\n[1]\n', 3, "Expected `object`"),
    "text": (b'{"a": 1}\n"a"\n', 2, "Expected `object`"),
    "two objects in a line": (b'{"a": 1} {"a": 2}\n', 1, "trailing characters"),
    "broken UTF-8": (b'{"a": "\xff"}\n', 1, "UTF-8"),
    "Shift-JIS": ('{"a": "日本"}\n'.encode("shift-jis"), 1, "UTF-8"),
    "control character": (b'{"a": "\x01"}\n', 1, "invalid character"),
    "depth bomb": (b'{"a":' * 100_000 + b"\n", 1, "nested too deeply|50,000 values"),
    "depth bomb that ends well": (b'{"a":' * 9000 + b"1" + b"}" * 9000 + b"\n", 1, "nested too deeply"),
    "lone surrogate in UTF-16": (b"\xff\xfe" + '{"a":"'.encode("utf-16-le") + b"\x00\xd8" + b'"\0}\0', 1, "UTF-8"),
}

BROKEN_ARRAYS = {
    "element is a number": (b'[{"a": 1},\n 2,\n{"a": 3}]', [2], "Expected `object`"),
    "element is a list": (b'[{"a": 1}, [[2]]]', [2], "Expected `object`"),
    "element is text": (b'["a,]", {"a": 1}]', [1], "Expected `object`"),
    "element is null": (b"[null]", [1], "Expected `object`"),
    "NaN inside": (b'[{"a": NaN}, {"a": 1}]', [1], "invalid character"),
    "cut off in an object": (b'[{"a": 1}, {"a": ', [2], "not closed"),
    "cut off in a text": (b'[{"a": 1}, {"a": "bc', [2], "not closed"),
    "cut off after a backslash": (b'[{"a": "b\\', [1], "not closed"),
    "cut off after an element": (b'[{"a": 1}', [1], "not closed"),
    "cut off after a comma": (b'[{"a": 1},', [2], "not closed"),
    "opened only": (b"[", [1], "not closed"),
    "trailing comma": (b'[{"a": 1}, ]', [2], "missing"),
    "comma first": (b'[, {"a": 1}]', [1], "missing"),
    "no comma": (b'[{"a": 1} {"a": 2}]', [1], "expected ',' or ']'"),
    "wrong bracket": (b'[{"a": [1}], {"a": 2}]', [1], "expected"),
    "more after the end": (b'[{"a": 1}] {"a": 2}', [1], "more after the end"),
    "depth bomb": (b"[" * 100_000, [1], "not closed"),
    "depth bomb that ends well": (b"[" * 5000 + b"]" * 5000, [1], "Expected `object`|nested too deeply"),
}

FOREIGN = {
    "pickle.json": pickle.dumps(ROWS),
    "pickle-2.bin": pickle.dumps(ROWS, protocol=2),
    "zip.jsonl": b"PK\x03\x04rest",
    "zstd.jsonl": b"\x28\xb5\x2f\xfdrest",
    "bzip2.json": b"BZh9rest",
    "xz.json": b"\xfd7zXZ\0rest",
    "twice.jsonl.gz": gzip.compress(gzip.compress(json_lines(ROWS))),
    "arrow.parquet": b"ARROW1\0\0",
    "numpy.npy": b"\x93NUMPY\x01\x00",
    "prose.txt": b"Once upon a time",
    "no-name": b"\x00\x01\x02",
    "not-really.parquet": b"a,b\n1,2\n",
}


class TestStreamRows:
    @pytest.mark.parametrize("name", FORMS)
    def test_reads_every_form(self, tmp_path: Path, name: str) -> None:
        assert values(write(tmp_path, name, FORMS[name])) == ROWS

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_reads_csv(self, tmp_path: Path, encoding: str, end: str) -> None:
        content = CSV_TEXT.replace("\n", end).encode(encoding)
        expected = [{key: cell.replace("\n", end) for key, cell in row.items()} for row in CSV_ROWS]
        assert values(write(tmp_path, "t.csv", content)) == expected

    def test_reads_tsv_and_packed_csv(self, tmp_path: Path) -> None:
        assert values(write(tmp_path, "t.tsv", b"a\tb\n1\t2,3\n")) == [{"a": "1", "b": "2,3"}]
        assert values(write(tmp_path, "t.csv.gz", gzip.compress(CSV_TEXT.encode()))) == CSV_ROWS

    def test_reads_parquet(self, tmp_path: Path) -> None:
        rows = [{"messages": [{"role": "user", "content": str(number)}]} for number in range(5)]
        path = write(tmp_path, "t.parquet", parquet_bytes(rows))
        assert [(row.line, row.value) for row in stream_rows(path)] == list(enumerate(rows, start=1))

    def test_lines_and_numbers_of_json_lines(self, tmp_path: Path) -> None:
        path = write(tmp_path, "t.jsonl", b'{"a": 1}\n\n{"a": 2}\n')
        assert [(row.line, row.number) for row in stream_rows(path)] == [(1, 1), (3, 2)]

    def test_lines_and_numbers_of_an_array(self, tmp_path: Path) -> None:
        path = write(tmp_path, "t.json", b'[\n{"a":\n 1},\n\n{"a": 2}, {"a": 3}\n]\n')
        assert [(row.line, row.number) for row in stream_rows(path)] == [(2, 1), (5, 2), (5, 3)]

    def test_lines_and_numbers_of_csv(self, tmp_path: Path) -> None:
        path = write(tmp_path, "t.csv", b'a,b\n"x\ny",1\n\nz,2\n')
        assert [(row.line, row.number) for row in stream_rows(path)] == [(2, 1), (5, 2)]

    @pytest.mark.parametrize("name", ["t.json", "t.jsonl", "t.csv", "t", "t.jsonl.gz"])
    def test_an_empty_file_has_no_rows(self, tmp_path: Path, name: str) -> None:
        assert values(write(tmp_path, name, b"")) == []

    @pytest.mark.parametrize("content", [b"[]", b" [ ]\n", b"\n \n"])
    def test_nothing_in_it_has_no_rows(self, tmp_path: Path, content: bytes) -> None:
        assert values(write(tmp_path, "t.json", content)) == []

    @pytest.mark.parametrize("case", BROKEN)
    def test_names_the_broken_line(self, tmp_path: Path, case: str) -> None:
        content, line, reason = BROKEN[case]
        with pytest.raises(BrokenRow, match=reason) as caught:
            values(write(tmp_path, "t.jsonl", content))
        assert caught.value.line == line

    @pytest.mark.parametrize("name", FOREIGN)
    def test_refuses_what_is_no_table(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(UnknownFormat):
            values(write(tmp_path, name, FOREIGN[name]))

    @pytest.mark.parametrize("cut", [5, 20, 200, 1000])
    def test_names_a_cut_gzip_stream(self, tmp_path: Path, cut: int) -> None:
        packed = gzip.compress(b"".join(b'{"a": "%032x"}\n' % (n * 7919**9) for n in range(1000)))
        with pytest.raises(DamagedFile, match="gzip"):
            values(write(tmp_path, "t.jsonl.gz", packed[:cut]))

    def test_names_a_wrong_checksum(self, tmp_path: Path) -> None:
        packed = bytearray(gzip.compress(json_lines(ROWS)))
        packed[-6] ^= 0xFF
        with pytest.raises(DamagedFile, match="gzip"):
            values(write(tmp_path, "t.jsonl.gz", bytes(packed)))

    @pytest.mark.parametrize("size", [4, 50, -20])
    def test_names_damaged_parquet(self, tmp_path: Path, size: int) -> None:
        with pytest.raises(DamagedFile, match="Parquet"):
            values(write(tmp_path, "t.parquet", parquet_bytes([{"a": "b"}] * 9)[:size]))

    def test_a_missing_file_is_an_os_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            values(tmp_path / "none.jsonl")

    @pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not at hand")
    @pytest.mark.parametrize("name", ["alpaca_zh_demo.json", "dpo_en_demo.json", "kto_en_demo.json", "c4_demo.jsonl"])
    def test_reads_real_files_as_json_does(self, name: str) -> None:
        content = (SHARED / name).read_text()
        expected = list(map(json.loads, content.splitlines())) if name.endswith("l") else json.loads(content)
        assert values(SHARED / name) == expected


class TestScanRows:
    @pytest.mark.parametrize("case", BROKEN_ARRAYS)
    def test_names_the_broken_elements(self, tmp_path: Path, case: str) -> None:
        content, numbers, reason = BROKEN_ARRAYS[case]
        found = [row for row in scan_rows(write(tmp_path, "t.json", content)) if isinstance(row, BrokenRow)]
        assert [row.number for row in found] == numbers
        assert any(part in found[0].reason for part in reason.split("|"))

    def test_goes_on_after_a_broken_line(self, tmp_path: Path) -> None:
        rows = list(scan_rows(write(tmp_path, "t.jsonl", b'{"a": 1}\n{\n{"a": 2}\n')))
        assert [isinstance(row, Row) for row in rows] == [True, False, True]

    def test_goes_on_after_a_broken_element(self, tmp_path: Path) -> None:
        rows = list(scan_rows(write(tmp_path, "t.json", b'[{"a": 1}, 7, {"a": 2}]')))
        assert [isinstance(row, Row) for row in rows] == [True, False, True]

    @pytest.mark.parametrize(
        ("content", "line", "reason"),
        [
            (b"a,b\n1\n", 2, "1 cells"),
            (b"a,b\n1,2\n\n1,2,3\n", 4, "3 cells"),
            (b'a,b\n1,"2\n3,4\n', 2, "no valid CSV"),
            (b'a,b\n"1"x,2\n', 2, "no valid CSV"),
            (b"a,b\n1,\xff\n", 2, "UTF-8"),
            (b"a,a\n1,2\n", 1, "twice"),
        ],
    )
    def test_names_broken_csv(self, tmp_path: Path, content: bytes, line: int, reason: str) -> None:
        found = [row for row in scan_rows(write(tmp_path, "t.csv", content)) if isinstance(row, BrokenRow)]
        assert [row.line for row in found] == [line]
        assert reason in found[0].reason

    @pytest.mark.parametrize("name", ["lines.jsonl", "array.json"])
    def test_what_is_not_wanted_does_not_come_and_is_not_decoded(self, tmp_path: Path, name: str) -> None:
        decoder = Noting()
        rows = list(scan_rows(write(tmp_path, name, FORMS[name]), decoder=decoder, wanted=lambda number: number == 2))
        assert [(row.number, row.value) for row in rows if isinstance(row, Row)] == [(2, ROWS[1])]
        assert (len(decoder.alone), decoder.together) == (1, [])

    def test_of_cells_come_only_the_wanted_rows(self, tmp_path: Path) -> None:
        rows = list(scan_rows(write(tmp_path, "t.csv", CSV_TEXT.encode()), wanted=lambda number: number == 2))
        assert [(row.number, row.value) for row in rows if isinstance(row, Row)] == [(2, CSV_ROWS[1])]

    def test_rows_are_counted_among_blank_lines(self, tmp_path: Path) -> None:
        content = b'{"a": 1}\n' * 3 + b"\n \n{}\n" + b'{"a": 2}\n'
        rows = list(scan_rows(write(tmp_path, "t.jsonl", content * 2)))
        places = [(1, 1), (2, 2), (3, 3), (6, 4), (7, 5), (8, 6), (9, 7), (10, 8), (13, 9), (14, 10)]
        assert [(row.line, row.number) for row in rows if isinstance(row, Row)] == places

    def test_the_lines_of_a_chunk_are_decoded_together(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(text_chunks, "CHUNK_BYTES", 20)
        decoder = Noting()
        rows = list(scan_rows(write(tmp_path, "t.jsonl", b'{"a": 1}\n' * 9 + b'{"a": 10}'), decoder=decoder))
        assert [(row.line, row.number, row.size) for row in rows if isinstance(row, Row)] == [
            *((number, number, 8) for number in range(1, 10)),
            (10, 10, 9),
        ]
        assert (decoder.alone, sum(decoder.together)) == ([], 10)
        assert len(decoder.together) < 10

    @pytest.mark.parametrize(
        "block",
        [
            "{row}\n",
            "\n{row}",
            "{row}\n\n{row}",
            "{row} {row}\n",
            "{row},{row}",
            "{row},",
            "{row}\n{row},{row}",
            "{row}\n{row}}}",
            "{row}\nnull",
            "{row}\n[{row}]",
            "{row}\n{row} \x00",
            "{row}\n{cut}\n{off}",
            "{row},{row}\n{cut}\n{off}",
            "{row} {row}\n{cut}\n{off}",
            "{row}{row}\n{cut}\n{off}",
            '{row}}},{{"row":{row}\n{cut}\n{off}',
            "{row}\r\n{row}\r\n",
            " {row}\n{row} ",
            '{row}\n{{"a":\n{row}}}\n{row} {row}',
            "{row}\n{{}}\n{row}",
        ],
    )
    def test_lines_together_are_what_they_are_alone(self, tmp_path: Path, block: str) -> None:
        row = json.dumps({"id": [{"a": 5, "b": 6}], "c": "d"})
        cut, _, off = row.partition(', "b": ')
        path = write(tmp_path, "t.jsonl", block.format(row=row, cut=cut, off=off).encode())
        together = [str(found) for found in scan_rows(path)]
        assert together == [str(found) for found in scan_rows(path, wanted=lambda number: True)]

    @pytest.mark.parametrize(
        ("name", "prefix", "suffix"),
        [("t.jsonl", b'{"a": 1}\n', b'\n{"a": 2}\n'), ("t.json", b'[{"a": 1}, ', b', {"a": 2}]')],
    )
    def test_a_row_past_the_limit(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, prefix: bytes, suffix: bytes
    ) -> None:
        monkeypatch.setattr(tables, "MAX_ROW_BYTES", 1000)
        monkeypatch.setattr(text_chunks, "CHUNK_BYTES", 64)
        path = write(tmp_path, name, prefix + b'{"a": "' + b"x" * 5000 + b'"}' + suffix)
        found = [row for row in scan_rows(path) if isinstance(row, BrokenRow)]
        assert [(row.number, row.reason) for row in found] == [(2, tables.TOO_LONG)]

    def test_a_line_of_200_megabytes_takes_no_such_memory(self, tmp_path: Path) -> None:
        path = tmp_path / "t.jsonl"
        with path.open("wb") as file:
            for _ in range(200):
                file.write(b"x" * 10**6)
        tracemalloc.start()
        try:
            found = list(scan_rows(path))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert [str(row) for row in found] == [f"line 1: {tables.TOO_LONG}"]
        assert peak < 2 * tables.MAX_ROW_BYTES

    @pytest.mark.parametrize("indent", [None, 1])
    def test_an_array_takes_no_more_memory_than_a_few_chunks(self, tmp_path: Path, indent: int | None) -> None:
        element = json.dumps({"a": "x" * 1000, "b": [1, 2]}, indent=indent).encode()
        path = write(tmp_path, "t.json", b"[" + b",".join([element] * 30_000) + b"]")
        tracemalloc.start()
        try:
            count = sum(1 for _ in scan_rows(path))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert count == 30_000
        assert peak < 8 * text_chunks.CHUNK_BYTES

    @pytest.mark.thorough
    @settings(max_examples=150, deadline=None)
    @given(
        rows=st.lists(
            st.dictionaries(
                st.text(max_size=4),
                st.recursive(
                    st.none() | st.booleans() | st.integers(-9, 9) | st.text('ab"\\{}[],\n日🙂', max_size=9),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
                    max_leaves=6,
                ),
                max_size=4,
            ),
            max_size=6,
        ),
        chunk=st.integers(4, 40),
        indent=st.sampled_from([None, 0, 2]),
        is_ascii=st.booleans(),
        encoding=st.sampled_from(["utf-8", "utf-16"]),
    )
    def test_chunks_may_end_anywhere(
        self, rows: list[dict[str, object]], chunk: int, indent: int | None, is_ascii: bool, encoding: str
    ) -> None:
        array = json.dumps(rows, indent=indent, ensure_ascii=is_ascii)
        lines = "\r\n".join(json.dumps(row, ensure_ascii=is_ascii) for row in rows)
        with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
            patch.setattr(text_chunks, "CHUNK_BYTES", chunk)
            assert values(write(Path(folder), "a.json", array.encode(encoding))) == rows
            assert values(write(Path(folder), "l.jsonl", lines.encode(encoding))) == rows

    @settings(max_examples=200, deadline=None)
    @given(content=st.text('[]{},:"\\a1 \n', max_size=40), chunk=st.integers(4, 16))
    def test_agrees_with_json_about_what_is_an_array_of_objects(self, content: str, chunk: int) -> None:
        try:
            expected = json.loads(f"[{content}")
        except ValueError:
            expected = None
        with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
            patch.setattr(text_chunks, "CHUNK_BYTES", chunk)
            found = list(scan_rows(write(Path(folder), "a.json", f"[{content}".encode())))
        good = [row.value for row in found if isinstance(row, Row)]
        is_good = expected is not None and all(isinstance(value, dict) for value in expected)
        assert (good == expected and len(good) == len(found)) if is_good else len(good) < len(found)


class TestRowsOfManyValues:
    @pytest.mark.parametrize("name", ["t.jsonl", "t.json", "t.jsonl.gz", "t.json.gz"])
    @pytest.mark.parametrize(
        "values",
        [b"1," * 50_000 + b"1", b"{}," * 40_000 + b"1", b"[]," * 40_000 + b"1", b'"",' * 50_000 + b'""'],
        ids=["numbers", "objects", "lists", "texts"],
    )
    def test_json_is_not_decoded(self, tmp_path: Path, name: str, values: bytes) -> None:
        row = b'{"x": [' + values + b"]}"
        small = [b'{"a": 1}'] * 3
        content = (
            b"\n".join([*small, row, *small]) if "jsonl" in name else b"[" + b",".join([*small, row, small[0]]) + b"]"
        )
        decoder = Noting()
        path = write(tmp_path, name, gzip.compress(content) if name.endswith("gz") else content)
        found = list(scan_rows(path, decoder=decoder))
        assert [str(row) for row in found if isinstance(row, BrokenRow)] == [
            f"line {4 if 'jsonl' in name else 1}: {tables.TOO_MANY}"
        ]
        assert [row.number for row in found] == list(range(1, len(found) + 1))
        assert len(found) == (7 if "jsonl" in name else 5)
        assert row not in decoder.alone
        assert sum(decoder.together) + len(decoder.alone) == len(found) - 1

    @pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
    @pytest.mark.parametrize("text", ["a, b [c] {d} ", 'say "x, [y], {z}" \\ '], ids=["plain", "with quotes"])
    def test_commas_and_brackets_of_a_text_are_no_values(self, tmp_path: Path, name: str, text: str) -> None:
        row = {"text": text * 60_000}
        content = json.dumps(row) if name == "t.jsonl" else json.dumps([row])
        assert values(write(tmp_path, name, content.encode())) == [row]

    def test_cells_of_csv_are_not_made(self, tmp_path: Path) -> None:
        content = b"a,b\n1,2\n" + b"," * 60_000 + b'\n"3,",4\n'
        rows = list(scan_rows(write(tmp_path, "t.csv", content)))
        assert [str(row) if isinstance(row, BrokenRow) else row.value["b"] for row in rows] == [
            "2",
            f"line 3: {tables.TOO_MANY}",
            "4",
        ]

    def test_cells_after_a_text_that_is_closed_late(self, tmp_path: Path) -> None:
        content = b'a,b\n1,"2\n",' + b"," * 60_000 + b"\n"
        (row,) = scan_rows(write(tmp_path, "t.csv", content))
        assert isinstance(row, BrokenRow)
        assert tables.TOO_MANY in row.reason

    @pytest.mark.parametrize("start", [b'1,"', b'1,"one\n'], ids=["one line", "two lines"])
    def test_commas_of_a_csv_text_are_no_cells(self, tmp_path: Path, start: bytes) -> None:
        path = write(tmp_path, "t.csv", b"a,b\n" + start + b'so, ""well"", ' * 30_000 + b'"\n')
        (row,) = scan_rows(path)
        assert isinstance(row, Row)
        assert row.value["b"].count(",") == 60_000

    def test_a_csv_row_of_many_lines_has_an_end(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tables, "MAX_ROW_BYTES", 1000)
        path = write(tmp_path, "t.csv", b'a,b\n1,2\n3,"' + b"x" * 90 + (b"\n" + b"x" * 90) * 50 + b'"\n')
        good, bad = scan_rows(path)
        assert isinstance(good, Row)
        assert isinstance(bad, BrokenRow)
        assert (bad.number, tables.TOO_LONG in bad.reason) == (2, True)

    def test_a_csv_line_past_the_limit_is_a_row_of_its_own(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tables, "MAX_ROW_BYTES", 1000)
        path = write(tmp_path, "t.csv", b"a,b\n1," + b"x" * 2000 + b"\n3,4\n")
        bad, good = scan_rows(path)
        assert isinstance(bad, BrokenRow)
        assert isinstance(good, Row)
        assert (bad.line, bad.number, bad.reason) == (2, 1, tables.TOO_LONG)
        assert (good.line, good.number, good.value) == (3, 2, {"a": "3", "b": "4"})


class TestSniff:
    @pytest.mark.parametrize(
        ("head", "name", "expected"),
        [
            (b" [", "t.jsonl", TableFormat.JSON_ARRAY),
            (b"\xef\xbb\xbf\n{", "t.json", TableFormat.JSON_LINES),
            (b'{"a"', "t.bin", TableFormat.JSON_LINES),
            (b"oops", "t.jsonl", TableFormat.JSON_LINES),
            (b"a,b", "t.CSV.gz", TableFormat.CSV),
            (b"PAR1", "t.data", TableFormat.PARQUET),
        ],
    )
    def test_content_decides_before_the_name(self, head: bytes, name: str, expected: TableFormat) -> None:
        assert sniff(head, name) is expected


class TestImport:
    def test_pyarrow_is_not_imported_until_it_is_needed(self) -> None:
        code = "import sys, finery.kit.tables; sys.exit('pyarrow' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestPackedTooTightly:
    """A few bytes can stand for any number of rows."""

    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(text_chunks, "FREE_BYTES", 1 << 18)

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.jsonl.gz", b'{"a": "x"}\n' * 100_000),
            ("a.json.gz", b'[{"a": "x"}' + b',{"a": "x"}' * 100_000 + b"]"),
            ("a.csv.gz", b"a\n" + b"x\n" * 100_000),
            ("a.jsonl.gz", b'{"a": "' + b"x" * 10_000_000 + b'"}'),
        ],
        ids=["lines", "array", "cells", "one row"],
    )
    def test_gzip(self, tmp_path: Path, name: str, content: bytes) -> None:
        path = write(tmp_path, name, gzip.compress(content))
        rows = scan_rows(path)
        with pytest.raises(UnreadableTable, match="give it unpacked"):
            list(rows)
        assert list(scan_rows(write(tmp_path, name.removesuffix(".gz"), content)))

    def test_parquet(self, tmp_path: Path) -> None:
        import pyarrow
        from pyarrow import parquet

        path = tmp_path / "a.parquet"
        parquet.write_table(pyarrow.table({"a": pyarrow.array([None] * 200_000, pyarrow.string())}), path)
        with pytest.raises(UnreadableTable, match="give it unpacked"):
            list(scan_rows(path))

    def test_text_that_repeats_a_lot_is_read(self, tmp_path: Path) -> None:
        row = json.dumps({"system": "You are a helpful assistant. " * 100, "prompt": "12345678"}).encode()
        lines = b"".join(row.replace(b"12345678", b"%08d" % number) + b"\n" for number in range(5_000))
        path = write(tmp_path, "a.jsonl.gz", gzip.compress(lines))
        assert sum(1 for _ in scan_rows(path)) == 5_000
