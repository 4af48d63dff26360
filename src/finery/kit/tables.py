"""Streams the rows of JSON, JSON Lines, CSV and Parquet files: memory holds a row, not the file."""

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from finery.kit.json_values import holds_more_values
from finery.kit.multiline_json import goes_on, several_lines
from finery.kit.parquet_batches import ARROW_STREAM, RefusedParquet
from finery.kit.parquet_rows import DamagedParquet, parquet_rows
from finery.kit.text_chunks import (
    HEAD_BYTES,
    PackedTooTightly,
    as_utf8,
    guess_encoding,
    has_long_start,
    open_chunks,
    split_in_blocks,
    split_lines,
)

MAX_ROW_BYTES = 16 * 2**20
MAX_ROW_VALUES = 50_000
"""Values that a row may have, lists and objects included: each takes a few bytes of JSON and a hundred as a Python
object, and no other thread can run while they are made."""

JsonObject = dict[str, Any]


class TableFormat(StrEnum):
    JSON_ARRAY = "json_array"
    JSON_LINES = "json_lines"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"


class Row(msgspec.Struct, frozen=True, gc=False):
    line: int
    """The line where the row begins, from 1; in a Parquet file, the row's number."""
    number: int
    """The row's number, from 1; blank lines do not count."""
    value: Any
    """The row as an object, or what a decoder made of its JSON."""
    size: int
    """Bytes of its JSON, or characters of its cells."""


class BrokenRow(ValueError):
    """The row cannot be read. `reason` never holds the row's content."""

    def __init__(self, line: int, number: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.number = number
        self.reason = reason


class UnreadableTable(ValueError):
    """The file as a whole cannot be read; the message says why."""


class UnknownFormat(UnreadableTable):
    """The file is none of the formats that can be read."""


class DamagedFile(UnreadableTable):
    """The file is cut off, or its checksum is wrong."""


def scan_rows(
    path: Path, *, decoder: "RowDecoder | None" = None, wanted: Callable[[int], bool] | None = None
) -> Iterator[Row | BrokenRow]:
    """Yields every row in order; an unreadable one as a BrokenRow, after which reading continues if possible.

    `decoder` decodes rows of JSON, by default to objects. `wanted` selects rows by number: others are not yielded, and
    their JSON is not decoded. Raises UnreadableTable and OSError.
    """
    rows = _every_row(path, _Json(decoder or ObjectDecoder(), wanted))
    return rows if wanted is None else (row for row in rows if wanted(row.number))


def _every_row(path: Path, json: "_Json") -> Iterator[Row | BrokenRow]:
    with open_chunks(path) as read:
        chunks = _undamaged(read)
        head = next(chunks, b"")
        table = sniff(head[:HEAD_BYTES], path.name)
        if table is not TableFormat.PARQUET:
            everything = chain((head,), chunks)
            yield from _READERS[table](as_utf8(everything, guess_encoding(head)), json)
    if table is TableFormat.PARQUET:
        yield from _parquet_rows(path)


def sniff(head: bytes, name: str) -> TableFormat:
    """Detects a file's format by its first bytes (decompressed) and, if they are ambiguous, its name."""
    for magic, label in _FOREIGN.items():
        if head.startswith(magic):
            raise UnknownFormat(f"this is {label}; give JSON, JSON Lines, CSV or Parquet")
    if head.startswith((b"PAR1", ARROW_STREAM)):
        return TableFormat.PARQUET
    by_name = _BY_SUFFIX.get(name.lower().removesuffix(".gz").rpartition(".")[2])
    if by_name in (TableFormat.CSV, TableFormat.TSV):
        return by_name
    text = head.decode(guess_encoding(head), "ignore").lstrip("\ufeff \t\r\n")
    if text.startswith("["):
        return TableFormat.JSON_ARRAY
    if text.startswith("{") or not head:
        return TableFormat.JSON_LINES
    if by_name is None:
        raise UnknownFormat("neither the name nor the first bytes say JSON, JSON Lines, CSV or Parquet")
    if by_name is TableFormat.PARQUET:
        raise UnknownFormat("the name says Parquet, but the content does not")
    return by_name


_FOREIGN = {
    b"PK\x03\x04": "a zip archive (or a pickled PyTorch file)",
    b"PK\x05\x06": "an empty zip archive",
    b"\x80\x02": "a pickle, which can run code",
    b"\x80\x03": "a pickle, which can run code",
    b"\x80\x04": "a pickle, which can run code",
    b"\x80\x05": "a pickle, which can run code",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it or use gzip",
    b"BZh": "compressed with bzip2; unpack it or use gzip",
    b"\xfd7zXZ": "compressed with xz; unpack it or use gzip",
    b"\x1f\x8b": "gzipped twice",
    b"ARROW1": "an Arrow file; write it as Parquet",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF": "an HDF5 file",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF",
}

_BY_SUFFIX = {
    "json": TableFormat.JSON_LINES,
    "jsonl": TableFormat.JSON_LINES,
    "ndjson": TableFormat.JSON_LINES,
    "csv": TableFormat.CSV,
    "tsv": TableFormat.TSV,
    "parquet": TableFormat.PARQUET,
}


def _undamaged(chunks: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedFile("the gzip stream is damaged or cut off") from error
    except PackedTooTightly as error:
        raise UnreadableTable(str(error)) from error


class RowDecoder(Protocol):
    """Decodes rows of JSON. Both methods raise the errors in UNREADABLE."""

    def decode(self, data: bytes) -> Any:
        """Returns the value of one row."""

    def decode_lines(self, block: bytes) -> Sequence[Any]:
        """Returns the values of all rows in a block of lines, or none if they are to be decoded one by one."""


class ObjectDecoder:
    """Decodes rows into objects."""

    def decode(self, data: bytes) -> JsonObject:
        return _DECODER.decode(data)

    def decode_lines(self, block: bytes) -> Sequence[JsonObject]:
        return _DECODER.decode_lines(block)


class _Json(NamedTuple):
    """How rows of JSON are decoded."""

    decoder: RowDecoder
    wanted: Callable[[int], bool] | None

    def row(self, data: bytes, line: int, number: int) -> Row | BrokenRow:
        try:
            return Row(line, number, self.decoder.decode(data), len(data))
        except UNREADABLE as error:
            return BrokenRow(line, number, reason_of(error))

    def block(self, block: bytes, ends: Sequence[int]) -> Sequence[Any]:
        """Returns the values of a block of rows that end at `ends`; none if one of them cannot be read."""
        try:
            values = self.decoder.decode_lines(block)
        except UNREADABLE:
            return ()
        return values if len(values) == len(ends) else ()


def _json_line_rows(chunks: Iterator[bytes], json: _Json) -> Iterator[Row | BrokenRow]:
    number = line = 0
    for block in split_in_blocks(chunks, limit=MAX_ROW_BYTES):
        if block is None:
            line += 1
            number += 1
            yield BrokenRow(line, number, TOO_LONG)
            continue
        # Only the first line may span chunks; a single chunk is too short for so many values.
        is_heavy = has_long_start(block, 2 * MAX_ROW_VALUES) and holds_more_values(block, MAX_ROW_VALUES)
        ends = () if is_heavy or json.wanted is not None else _ends_of_objects(block)
        start = 0
        for value, end in zip(json.block(block, ends) if ends else (), ends, strict=False):
            line += 1
            number += 1
            yield Row(line, number, value, end - start)
            start = end + 1
        for data in () if start else block.split(b"\n"):
            line += 1
            if not data or data.isspace():
                continue
            number += 1
            if is_heavy and holds_more_values(data, MAX_ROW_VALUES):
                yield BrokenRow(line, number, TOO_MANY)
            elif json.wanted is None or json.wanted(number):
                row = json.row(data, line, number)
                if number == 1 and isinstance(row, BrokenRow) and goes_on(data, block):
                    raise UnreadableTable(several_lines(block))
                yield row


def _ends_of_objects(block: bytes) -> Sequence[int]:
    """Returns where the block's lines end, if no object can span lines; else nothing.

    In JSON, an opening brace follows a closing one and a newline only where a value has ended and the next begins.
    """
    ends: list[int] = []
    find, start = block.find, 0
    while (end := find(b"\n", start)) >= 0:
        if block[end - 1 : end + 2] != b"}\n{":
            return ()
        ends.append(end)
        start = end + 1
    return [*ends, len(block)]


TOO_LONG = f"the row is longer than {MAX_ROW_BYTES // 2**20} MiB"
TOO_MANY = f"the row holds more than {MAX_ROW_VALUES:,} values"
_DECODER = msgspec.json.Decoder(JsonObject)
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def reason_of(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not valid UTF-8; save the file as UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error)


def _json_array_rows(chunks: Iterator[bytes], json: _Json) -> Iterator[Row | BrokenRow]:
    splitter = _ArraySplitter(chunks)
    try:
        for number, (line, data) in enumerate(splitter.elements(), start=1):
            if holds_more_values(data, MAX_ROW_VALUES):
                yield BrokenRow(line, number, TOO_MANY)
            elif json.wanted is None or json.wanted(number):
                yield json.row(data, line, number)
    except BrokenRow as end:
        yield end


class _ArraySplitter:
    """Splits a JSON array into its elements without parsing them; memory holds one element and one chunk."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._data = b""
        self._at = 0
        self._line = 1
        self._counted = 0
        self._number = 0

    def elements(self) -> Iterator[tuple[int, bytes]]:
        """Yields each element's line and bytes. Raises BrokenRow if the array itself is malformed."""
        self._expect(b"[")
        if self._next() == b"]":
            self._at += 1
        else:
            yield self._element()
            while self._expect(b",]") == b",":
                yield self._element()
        if self._next():
            raise self._broken("there is more after the end of the array")

    def _element(self) -> tuple[int, bytes]:
        start = self._next()
        self._number += 1
        if not start or start in b",]":
            raise self._broken("an element of the array is missing" if start else CUT_OFF)
        self._count_lines()
        end = self._end_of_nested() if start in b"{[" else self._end_of_scalar()
        data = self._data[self._at : end]
        self._at = end
        return self._line, data

    def _end_of_nested(self) -> int:
        depth, position = 0, self._at
        while True:
            for token in _TOKEN.finditer(self._data, position):
                match token[0]:
                    case b"{" | b"[":
                        depth += 1
                    case b"}" | b"]":
                        depth -= 1
                        if depth == 0:
                            return token.end()
                    case b'"':
                        # The string is cut off by the window, and is read again when there is more.
                        position = token.start()
                        break
            else:
                position = len(self._data)
            position -= self._at
            self._grow()

    def _end_of_scalar(self) -> int:
        while not (end := _SCALAR.match(self._data, self._at)) or end.end() == len(self._data):
            self._grow()
        return end.end()

    def _expect(self, wanted: bytes) -> bytes:
        character = self._next()
        if not character:
            raise self._broken(CUT_OFF)
        if character not in wanted:
            raise self._broken(f"expected {' or '.join(map(repr, wanted.decode()))} between the array's elements")
        self._at += 1
        return character

    def _next(self) -> bytes:
        """Returns the next character that is no space, without consuming it; empty at the end."""
        while True:
            self._at = _SPACE.match(self._data, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._data):
                return self._data[self._at : self._at + 1]
            if not self._refill():
                return b""

    def _grow(self) -> None:
        if len(self._data) - self._at > MAX_ROW_BYTES:
            raise self._broken(TOO_LONG)
        if not self._refill():
            raise self._broken(CUT_OFF)

    def _refill(self) -> bool:
        """Reads on, at least doubling what is unread, so that a long element is not scanned once per chunk."""
        self._count_lines()
        parts = [self._data[self._at :]]
        wanted = len(parts[0])
        while (chunk := next(self._chunks, None)) is not None:
            parts.append(chunk)
            wanted -= len(chunk)
            if wanted <= 0:
                break
        self._data, self._at, self._counted = b"".join(parts), 0, 0
        return len(parts) > 1

    def _count_lines(self) -> None:
        self._line += self._data.count(b"\n", self._counted, self._at)
        self._counted = self._at

    def _broken(self, reason: str) -> BrokenRow:
        self._count_lines()
        return BrokenRow(self._line, max(self._number, 1), reason)


CUT_OFF = "the array is not closed; the file may be cut off"
_SPACE = re.compile(rb"[ \t\r\n]*+")
_SCALAR = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^",\]\s]++', re.DOTALL)
# A whole string, else the quote of an unfinished one, else a bracket. The quantifiers are possessive, so that a long
# string takes no memory for backtracking.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\]]', re.DOTALL)


def _csv_rows(chunks: Iterator[bytes], _: _Json, delimiter: str = ",") -> Iterator[Row | BrokenRow]:
    csv.field_size_limit(MAX_ROW_BYTES)
    lines = _CsvLines(chunks, delimiter.encode())
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    number = 0
    while True:
        line = reader.line_num + 1
        lines.begin_row()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield BrokenRow(line, number + 1, f"no valid CSV: {error}")
            return
        if cells is None:
            return
        issue = lines.issue
        if not cells and not issue:
            continue
        if header is None:
            header = cells
            if len(set(header)) < len(header) or issue:
                yield BrokenRow(line, 1, issue or "the header names a column twice")
                return
            continue
        number += 1
        if issue:
            yield BrokenRow(line, number, issue)
        elif len(cells) != len(header):
            yield BrokenRow(line, number, f"{len(cells)} cells, but the header names {len(header)}")
        else:
            yield Row(line, number, dict(zip(header, cells, strict=True)), sum(map(len, cells)))


class _CsvLines(Iterator[str]):
    """Decodes lines for the CSV reader, which joins those of one row, and remembers the row's issue."""

    def __init__(self, chunks: Iterator[bytes], delimiter: bytes) -> None:
        self._lines = split_lines(chunks, limit=MAX_ROW_BYTES)
        self._delimiter = delimiter
        self._row_bytes = 0
        self.issue = ""
        """The issue of the row that was read last."""

    def begin_row(self) -> None:
        self.issue = ""
        self._row_bytes = 0

    def __next__(self) -> str:
        """Raises csv.Error if an oversized row is inside quotation marks, whose end is unknown."""
        data = next(self._lines)
        is_quoted = self._row_bytes > 0
        self._row_bytes += len(data or b"") + 1
        if data is None or self._row_bytes > MAX_ROW_BYTES + 1:
            return self._refused(TOO_LONG, is_quoted)
        if data.count(self._delimiter) >= MAX_ROW_VALUES and self._cells(data, is_quoted) > MAX_ROW_VALUES:
            return self._refused(TOO_MANY, is_quoted)
        try:
            return data.decode() + "\n"
        except UnicodeDecodeError as error:
            self.issue = reason_of(error)
            return data.decode(errors="replace") + "\n"

    def _refused(self, issue: str, is_quoted: bool) -> str:
        if is_quoted:
            raise csv.Error(f"{issue}, or a quotation mark is not closed")
        self.issue = issue
        return "\n"

    def _cells(self, data: bytes, is_quoted: bool) -> int:
        """Counts the line's cells, up to a little more than the limit."""
        text = b'"' + data if is_quoted else data
        mark = re.escape(self._delimiter)
        cell = re.compile(rb'(?:"[^"]*+(?:""[^"]*+)*+(?:"|$)|)[^%s]*+(?:%s|$)' % (mark, mark))
        return sum(1 for _ in islice(cell.finditer(text), MAX_ROW_VALUES + 2)) - 1


_READERS: dict[TableFormat, Callable[[Iterator[bytes], _Json], Iterator[Row | BrokenRow]]] = {
    TableFormat.JSON_LINES: _json_line_rows,
    TableFormat.JSON_ARRAY: _json_array_rows,
    TableFormat.CSV: _csv_rows,
    TableFormat.TSV: partial(_csv_rows, delimiter="\t"),
}


def _parquet_rows(path: Path) -> Iterator[Row | BrokenRow]:
    rows = parquet_rows(path, most_values=MAX_ROW_VALUES, most_bytes=MAX_ROW_BYTES)
    try:
        for number, value in enumerate(rows, start=1):
            if isinstance(value, str):
                yield BrokenRow(number, number, value)
            else:
                yield Row(number, number, value, sum(len(str(cell)) for cell in value.values()))
    except (RefusedParquet, PackedTooTightly) as error:
        raise UnreadableTable(str(error)) from error
    except DamagedParquet as error:
        raise DamagedFile("the Parquet or Arrow file is damaged or of an unknown kind") from error
