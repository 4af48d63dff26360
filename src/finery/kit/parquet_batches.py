"""`python -m finery.kit.parquet_batches FILE`: decodes a Parquet file to stdout, one Arrow stream per row group.

A file that is an Arrow stream itself, as the library `datasets` stores, is validated and copied in small batches.

It is a process of its own, since forged metadata can make Arrow abort. Metadata shows how much memory the rows may
take, which is checked before they are decoded. Exit code REFUSED: stderr says why.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from finery.kit.limits import confine
from finery.kit.text_chunks import PackedTooTightly, Unpacking

if TYPE_CHECKING:
    import pyarrow
    from pyarrow import parquet

MEMORY_BYTES = 2**30
CPU_SECONDS, BYTES_PER_SECOND = 60, 2**20
REFUSED = 3
ARROW_STREAM = b"\xff\xff\xff\xff"
"""The first bytes of an Arrow stream: the marker of its first message."""
BATCH_ROWS = 256
DECODED_BYTES = 64 << 20
"""Maximum size of the rows of one batch, decoded."""
GROUP_BYTES = 256 << 20
"""Maximum size of a row group that is decoded as a whole."""
GROUP_VALUES = 32 << 20
"""Maximum values in a row group's lists: one row may hold them all, and Arrow cannot decode a part of a row."""
MOST_COLUMNS = 500
"""Each column costs time in every batch, and almost no bytes in the file."""
FIXED_BYTES = 4096
"""Maximum size of a value in a fixed-size column, which Arrow copies as often as it is repeated."""

SMALLER_GROUPS = "its row groups are too large to be read safely: write it with smaller ones (row_group_size=10_000)"
TOO_MANY_COLUMNS = f"it has more than {MOST_COLUMNS} columns: leave out those that are not needed"
NAMED_TWICE = "a column or a field of it is named twice"


class RefusedParquet(ValueError):
    """The file is refused; the message says why, and what to do."""


def main() -> int:
    path = Path(sys.argv[1])
    confine(memory_bytes=MEMORY_BYTES, cpu_seconds=CPU_SECONDS + path.stat().st_size // BYTES_PER_SECOND)
    try:
        write_streams(path, sys.stdout.buffer)
    except (RefusedParquet, PackedTooTightly) as error:
        print(error, file=sys.stderr)
        return REFUSED
    return 0


def write_streams(path: Path, sink: BinaryIO) -> None:
    """Raises RefusedParquet, PackedTooTightly, ArrowException, OSError, and whatever Arrow raises for damaged data."""
    from pyarrow import ipc, parquet

    with path.open("rb") as file:
        if file.read(len(ARROW_STREAM)) == ARROW_STREAM:
            file.seek(0)
            _copy_stream(file, sink)
            return
    ahead = Unpacking(path)
    with parquet.ParquetFile(path) as file:
        _check_schema(file)
        for group in range(file.metadata.num_row_groups):
            writer = None
            for batch in _batches(path, file, group, ahead):
                writer = writer or ipc.new_stream(sink, batch.schema)
                writer.write_batch(batch)
            if writer is not None:
                writer.close()
    sink.flush()


def _copy_stream(source: BinaryIO, sink: BinaryIO) -> None:
    """Copies a stream in small batches. Raises RefusedParquet, and ArrowException for invalid offsets or texts."""
    from pyarrow import ipc

    with ipc.open_stream(source) as stream, ipc.new_stream(sink, stream.schema) as writer:
        names = stream.schema.names
        if len(names) > MOST_COLUMNS:
            raise RefusedParquet(TOO_MANY_COLUMNS)
        if len(set(names)) < len(names) or _has_duplicate_names(list(stream.schema)):
            raise RefusedParquet(NAMED_TWICE)
        for batch in stream:
            batch.validate(full=True)
            rows = max(1, min(BATCH_ROWS, DECODED_BYTES * batch.num_rows // max(1, batch.nbytes)))
            for start in range(0, batch.num_rows, rows):
                part = batch.slice(start, rows)
                if part.nbytes > GROUP_BYTES:
                    raise RefusedParquet(SMALLER_GROUPS)
                writer.write_batch(part)
    sink.flush()


def _check_schema(file: "parquet.ParquetFile") -> None:
    """Raises RefusedParquet."""
    schema = file.metadata.schema
    paths = [schema.column(index).path for index in range(len(schema))]
    names = file.schema_arrow.names
    if len(paths) > MOST_COLUMNS:
        raise RefusedParquet(TOO_MANY_COLUMNS)
    if len(set(names)) < len(names) or len(set(paths)) < len(paths) or _has_duplicate_names(list(file.schema_arrow)):
        raise RefusedParquet(NAMED_TWICE)
    if any((schema.column(index).length or 0) > FIXED_BYTES for index in range(len(schema))):
        raise RefusedParquet(f"a column holds binary values of more than {FIXED_BYTES} bytes each: leave it out")


def _has_duplicate_names(fields: "list[pyarrow.Field]") -> bool:
    from pyarrow import types

    for field in fields:
        kind = field.type
        inner = [kind.field(index) for index in range(kind.num_fields)] if types.is_nested(kind) else []
        if types.is_struct(kind) and len({part.name for part in inner}) < len(inner):
            return True
        if _has_duplicate_names(inner):
            return True
    return False


def _batches(path: Path, file: "parquet.ParquetFile", group: int, ahead: Unpacking) -> "Iterator[pyarrow.RecordBatch]":
    """Yields a row group in batches. Raises RefusedParquet and PackedTooTightly before anything is decoded."""
    from pyarrow import parquet

    columns = [*_columns(file, group)]
    rows = file.metadata.row_group(group).num_rows
    listed = sum(column.values for column in columns if column.is_repeated)
    if listed > GROUP_VALUES:
        raise RefusedParquet(SMALLER_GROUPS)
    size = sum(column.size for column in columns)
    ahead.take(content_bytes=size, rows=0)
    coded = [column for column in columns if column.is_coded]
    if (most := _batch_rows(coded, [column.size for column in coded])) == 0:
        # A column's dictionary precedes its first value and is read with it, so one row shows the longest text.
        names = [column.path for column in coded]
        with parquet.ParquetFile(path, read_dictionary=names) as probed:
            first = next(probed.iter_batches(batch_size=1, row_groups=[group], use_threads=False), None)
        longest = max((_longest(array) for array in first.columns), default=0) if first is not None else 0
        most = _batch_rows(coded, [min(column.size, longest) for column in coded])
        if most == 0:
            if size > GROUP_BYTES:
                raise RefusedParquet(SMALLER_GROUPS)
            with parquet.ParquetFile(path, read_dictionary=names) as whole:
                yield from whole.iter_batches(batch_size=max(rows, 1), row_groups=[group], use_threads=False)
            return
    yield from file.iter_batches(batch_size=most, row_groups=[group], use_threads=False)


class _Column(NamedTuple):
    path: str
    values: int
    size: int
    """Size of its pages, decompressed."""
    is_repeated: bool
    """Whether a row may hold several of its values."""
    is_coded: bool
    """Whether it is dictionary-encoded: a text is stored once and repeated by its index."""


def _columns(file: "parquet.ParquetFile", group: int) -> Iterator[_Column]:
    """Raises RefusedParquet for DELTA_BYTE_ARRAY, in which a text repeats the start of the previous one."""
    schema, row_group = file.metadata.schema, file.metadata.row_group(group)
    for index in range(row_group.num_columns):
        column = row_group.column(index)
        if "DELTA_BYTE_ARRAY" in column.encodings:
            raise RefusedParquet("a column is coded as DELTA_BYTE_ARRAY: write it with a dictionary or PLAIN")
        coded = column.physical_type == "BYTE_ARRAY" and not {"PLAIN_DICTIONARY", "RLE_DICTIONARY"}.isdisjoint(
            column.encodings
        )
        repeated = schema.column(index).max_repetition_level > 0
        yield _Column(column.path_in_schema, column.num_values, column.total_uncompressed_size, repeated, coded)


def _batch_rows(coded: list[_Column], longest: list[int]) -> int:
    """Returns how many rows may be decoded at once if each value is as long as its column's longest; 0: none."""
    lists = sum(column.values * size for column, size in zip(coded, longest, strict=True) if column.is_repeated)
    cells = sum(size for column, size in zip(coded, longest, strict=True) if not column.is_repeated)
    if lists > DECODED_BYTES or cells > DECODED_BYTES:
        return 0
    return min(BATCH_ROWS, DECODED_BYTES // max(cells, 1))


def inner_arrays(array: "pyarrow.Array") -> "Iterator[pyarrow.Array]":
    """Yields the arrays inside of an array of lists or structs, limited to its slice."""
    import pyarrow
    from pyarrow import types

    kind = array.type
    if isinstance(array, pyarrow.ExtensionArray):
        yield array.storage
    elif types.is_struct(kind):
        yield from array.flatten()
    elif types.is_map(kind) or types.is_list(kind) or types.is_large_list(kind):
        start, end = array.offsets[0].as_py(), array.offsets[-1].as_py()
        for part in (array.keys, array.items) if types.is_map(kind) else (array.values,):
            yield part.slice(start, end - start)
    elif types.is_nested(kind):
        yield array.flatten()


def is_text(kind: "pyarrow.DataType") -> bool:
    from pyarrow import types

    tests = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(test(kind) for test in (*tests, types.is_string_view, types.is_binary_view))


def _longest(array: "pyarrow.Array") -> int:
    """Returns the size of the longest text in the array's dictionaries."""
    from pyarrow import compute, types

    if types.is_dictionary(array.type):
        if not len(array.dictionary) or not is_text(array.type.value_type):
            return 0
        return compute.max(compute.binary_length(array.dictionary)).as_py() or 0
    return max(map(_longest, inner_arrays(array)), default=0)


if __name__ == "__main__":
    sys.exit(main())
