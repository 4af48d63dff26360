import random
from collections.abc import Callable, Iterator
from io import BufferedReader, BytesIO
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from finery.kit import parquet_batches, parquet_rows, tables
from finery.kit.tables import BrokenRow, DamagedFile, Row, UnreadableTable, scan_rows


def stored(folder: Path, table: pyarrow.Table, **options: object) -> Path:
    parquet.write_table(table, folder / "t.parquet", **options)
    return folder / "t.parquet"


def column(array: pyarrow.Array) -> pyarrow.Table:
    return pyarrow.table({"text": array})


def reasons(path: Path) -> list[str]:
    return [row.reason if isinstance(row, BrokenRow) else "" for row in scan_rows(path)]


def not_utf8() -> pyarrow.Array:
    offsets, texts = b"\0\0\0\0\1\0\0\0\3\0\0\0", b"a\xff\xfe"
    return pyarrow.StringArray.from_buffers(2, pyarrow.py_buffer(offsets), pyarrow.py_buffer(texts))


def twice(count: int) -> pyarrow.Array:
    return pyarrow.StructArray.from_arrays([pyarrow.array(["a"] * count)] * 2, ["x", "x"])


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows were made into objects at once, each time."""
    counts: list[int] = []
    make = parquet_rows._objects

    def counted(rows: pyarrow.RecordBatch) -> object:
        counts.append(rows.num_rows)
        return make(rows)

    monkeypatch.setattr(parquet_rows, "_objects", counted)
    return counts


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are decoded in this process, with its bounds."""

    def batches(path: Path) -> Iterator[pyarrow.RecordBatch]:
        streams = BytesIO()
        parquet_batches.write_streams(path, streams)
        return parquet_rows.read_streams(BufferedReader(BytesIO(streams.getvalue())))

    monkeypatch.setattr(parquet_rows, "batches_apart", batches)


class TestTooManyValues:
    @pytest.mark.parametrize(
        "inner",
        [
            lambda n: pyarrow.nulls(n, pyarrow.int8()),
            lambda n: pyarrow.array([1]).take(pyarrow.nulls(n, pyarrow.int8()).fill_null(0)),
            lambda n: pyarrow.array([{"a": "b"}]).take(pyarrow.nulls(n, pyarrow.int8()).fill_null(0)),
            lambda n: pyarrow.array([["a"]]).take(pyarrow.nulls(n, pyarrow.int8()).fill_null(0)),
        ],
        ids=["nulls", "numbers", "structs", "lists"],
    )
    def test_a_row_of_a_million_is_named_and_never_made(
        self, tmp_path: Path, inner: Callable[[int], pyarrow.Array], made: list[int]
    ) -> None:
        offsets = pyarrow.array([0, 1, 1_000_001, 1_000_002], pyarrow.int32())
        table = pyarrow.table({"text": ["x"] * 3, "l": pyarrow.ListArray.from_arrays(offsets, inner(1_000_002))})
        path = stored(tmp_path, table, compression="zstd")
        assert reasons(path) == ["", tables.TOO_MANY, ""]
        assert sum(made) == 2

    @pytest.mark.usefixtures("together")
    def test_more_than_is_decoded_of_a_row_group_is_refused_by_its_metadata(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(parquet_batches, "GROUP_VALUES", 10_000)
        rows = pyarrow.ListArray.from_arrays(pyarrow.array([0, 10_001], pyarrow.int32()), pyarrow.nulls(10_001))
        path = stored(tmp_path, column(rows.cast(pyarrow.list_(pyarrow.int8()))))
        monkeypatch.setattr(parquet.ParquetFile, "iter_batches", None)
        with pytest.raises(UnreadableTable, match="row_group_size"):
            list(scan_rows(path))

    def test_a_map_is_counted(self, tmp_path: Path) -> None:
        kind = pyarrow.map_(pyarrow.string(), pyarrow.int64())
        rows = [[("a", 1)], [(str(n), n) for n in range(30_000)], [("b", 2)]]
        assert reasons(stored(tmp_path, column(pyarrow.array(rows, kind)))) == ["", tables.TOO_MANY, ""]

    def test_columns_are_counted(self, tmp_path: Path) -> None:
        table = pyarrow.table({f"c{number}": pyarrow.nulls(9, pyarrow.int8()) for number in range(501)})
        with pytest.raises(UnreadableTable, match="more than 500 columns"):
            list(scan_rows(stored(tmp_path, table)))

    def test_rows_of_many_columns_are_weighed_but_twice(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        weighed = []
        weigh = parquet_rows.weigh
        monkeypatch.setattr(parquet_rows, "weigh", lambda array: (weighed.append(array), weigh(array))[1])
        table = pyarrow.table({f"c{number}": pyarrow.nulls(256, pyarrow.int8()) for number in range(500)})
        assert reasons(stored(tmp_path, table)) == [""] * 256
        assert len(weighed) < 500 * 30


class TestTooMuchText:
    @pytest.mark.parametrize("nested", [False, True], ids=["cell", "within lists"])
    def test_what_is_stored_once_is_not_written_out_for_all_rows(
        self, tmp_path: Path, nested: bool, made: list[int]
    ) -> None:
        text: pyarrow.Array = pyarrow.array(["a" * (2 << 20)]).dictionary_encode()
        text = text.take(pyarrow.array([0] * 100))
        if nested:
            text = pyarrow.ListArray.from_arrays(pyarrow.array(range(101), pyarrow.int32()), text)
        path = stored(tmp_path, column(text), compression="zstd", dictionary_pagesize_limit=1 << 28)
        pyarrow.default_memory_pool().release_unused()
        before = pyarrow.total_allocated_bytes()
        rows, most = 0, 0
        for row in scan_rows(path):
            assert isinstance(row, Row)
            rows += 1
            most = max(most, pyarrow.total_allocated_bytes() - before)
        assert rows == 100
        assert set(made) == {1}
        assert most < 100 << 20

    def test_a_row_longer_than_the_limit_is_named(self, tmp_path: Path) -> None:
        texts = ["a", "b" * (tables.MAX_ROW_BYTES + 1), "c"]
        assert reasons(stored(tmp_path, column(pyarrow.array(texts)))) == ["", tables.TOO_LONG, ""]

    def test_values_of_one_large_size_are_refused(self, tmp_path: Path) -> None:
        path = stored(tmp_path, column(pyarrow.array([b"a" * 5000], pyarrow.binary(5000))))
        with pytest.raises(UnreadableTable, match="binary"):
            list(scan_rows(path))

    def test_texts_that_repeat_the_one_before_are_refused(self, tmp_path: Path) -> None:
        path = stored(
            tmp_path, column(pyarrow.array(["a", "ab"])), use_dictionary=False, column_encoding="DELTA_BYTE_ARRAY"
        )
        with pytest.raises(UnreadableTable, match="DELTA_BYTE_ARRAY"):
            list(scan_rows(path))


class TestWhatPythonCannotHold:
    @pytest.mark.parametrize(
        ("array", "reason"),
        [
            (pyarrow.array([0, 2**62], pyarrow.timestamp("us")), "beyond"),
            (pyarrow.array([0, 2**62], pyarrow.timestamp("ms", "UTC")), "beyond"),
            (pyarrow.array([0, 2**31 - 1], pyarrow.date32()), "beyond"),
            (pyarrow.array([0, 2**62], pyarrow.duration("s")), "beyond"),
            (pyarrow.array([[], [2**62]], pyarrow.list_(pyarrow.timestamp("us"))), "beyond"),
            (not_utf8(), "UTF-8"),
        ],
        ids=["timestamp", "zoned", "date", "duration", "nested", "text"],
    )
    def test_the_row_is_named_and_the_others_are_read(self, tmp_path: Path, array: pyarrow.Array, reason: str) -> None:
        first, second = reasons(stored(tmp_path, column(array)))
        assert not first
        assert reason in second

    def test_an_unknown_time_zone(self, tmp_path: Path) -> None:
        assert "beyond" in reasons(stored(tmp_path, column(pyarrow.array([1], pyarrow.timestamp("us", "Mars/X")))))[0]

    @pytest.mark.parametrize(
        "table",
        [
            pyarrow.Table.from_arrays([pyarrow.array(["a"]), pyarrow.array(["b"])], names=["text", "text"]),
            column(twice(1)),
            column(pyarrow.ListArray.from_arrays(pyarrow.array([0, 1], pyarrow.int32()), twice(1))),
        ],
        ids=["columns", "fields", "fields in lists"],
    )
    def test_a_name_given_twice_is_refused(self, tmp_path: Path, table: pyarrow.Table) -> None:
        with pytest.raises(UnreadableTable, match="twice"):
            list(scan_rows(stored(tmp_path, table)))


class TestRowGroups:
    def test_rows_are_numbered_through_all_of_them(self, tmp_path: Path) -> None:
        rows = [{"messages": [{"role": "user", "content": str(number)}] * (number % 3)} for number in range(1000)]
        path = stored(tmp_path, pyarrow.Table.from_pylist(rows), row_group_size=300)
        assert [(row.number, row.value) for row in scan_rows(path) if isinstance(row, Row)] == [*enumerate(rows, 1)]

    @pytest.mark.usefixtures("together")
    @pytest.mark.parametrize("decoded", [1 << 20, 4000, 1])
    def test_a_group_read_by_its_dictionaries_is_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: int
    ) -> None:
        monkeypatch.setattr(parquet_batches, "DECODED_BYTES", decoded)
        rows = [
            {
                "id": number,
                "text": None if number % 5 == 0 else f"{number % 9}",
                "tags": [{"a": "b" * 50}] * (number % 4),
            }
            for number in range(700)
        ]
        path = stored(tmp_path, pyarrow.Table.from_pylist(rows), row_group_size=400)
        assert [row.value for row in scan_rows(path) if isinstance(row, Row)] == rows

    @pytest.mark.usefixtures("together")
    def test_texts_stored_twice_are_asked_for_in_smaller_groups(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(parquet_batches, "DECODED_BYTES", 1)
        monkeypatch.setattr(parquet_batches, "GROUP_BYTES", 1)
        with pytest.raises(UnreadableTable, match="row_group_size"):
            list(scan_rows(stored(tmp_path, column(pyarrow.array(["ab", "ab"])))))


class TestForged:
    def test_what_ends_arrows_process_is_a_damaged_file(self, tmp_path: Path) -> None:
        path = stored(tmp_path, column(pyarrow.array(["ab"] * 9)))
        body, footer = parts(path.read_bytes())
        # How often each level of the column occurs: never and nine times. Arrow wants as many as there are levels.
        assert b"\x26\x00\x12" in footer
        path.write_bytes(whole(body, footer.replace(b"\x26\x00\x12", b"\x16\x00")))
        with pytest.raises(DamagedFile, match="Parquet"):
            list(scan_rows(path))

    @pytest.mark.parametrize("seed", range(24))
    def test_any_bytes_are_rows_or_a_refusal(self, tmp_path: Path, seed: int) -> None:
        drawn = random.Random(seed)
        rows = [{"text": "ab" * number, "tags": [{"a": 1.5, "b": b"c"}] * (number % 3)} for number in range(9)]
        codec = drawn.choice(["none", "snappy", "gzip", "brotli", "zstd", "lz4"])
        path = stored(tmp_path, pyarrow.Table.from_pylist(rows), compression=codec, use_dictionary=drawn.random() < 0.5)
        parts_of_file = [bytearray(part) for part in parts(path.read_bytes())]
        for _ in range(drawn.randint(1, 3)):
            part = drawn.choice(parts_of_file)
            place = drawn.randrange(4, len(part))
            # Some of them end or begin a number of many bytes.
            part[place : place + drawn.randint(0, 2)] = drawn.choice([b"", b"\xff", b"\0", b"\xfe" * 9, b"\x1c" * 999])
        path.write_bytes(whole(*parts_of_file))
        try:
            read = [row for row in scan_rows(path) if isinstance(row, Row)]
        except UnreadableTable:
            return
        assert len(read) < 10**6


def parts(data: bytes) -> tuple[bytes, bytes]:
    """What stands before the footer, and the footer."""
    begin = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    return data[:begin], data[begin:-8]


def whole(body: bytes, footer: bytes) -> bytes:
    return body + footer + len(footer).to_bytes(4, "little") + b"PAR1"
