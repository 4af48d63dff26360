"""The rows of a Parquet file, whose few bytes can stand for any number of values: what a row would become is weighed in
Arrow's buffers before an object of Python is made of it, and what Arrow would decode in the file's own metadata."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from finery.kit.text import Unpacking

if TYPE_CHECKING:
    import pyarrow
    from pyarrow import parquet

BATCH_ROWS = 256
STEP_VALUES = 5_000
STEP_BYTES = 1 << 20
"""Of several rows that are made at once: no other thread runs meanwhile."""
DECODED_BYTES = 64 << 20
"""What the rows of one batch may become."""
GROUP_BYTES = 256 << 20
"""Of a row group that is held as a whole."""
GROUP_VALUES = 32 << 20
"""Of a row group's lists: one row may hold them all, and Arrow decodes no part of a row."""
FIXED_BYTES = 4096
"""Of one value in a column of values of one size, which Arrow writes out as often as they are repeated."""

SMALLER_GROUPS = "its row groups are too large to be read safely: write it with smaller ones (row_group_size=10_000)"
NAMED_TWICE = "a column or a field of it is named twice"


class RefusedParquet(ValueError):
    """A file that is not read; the message says why, and what to do."""


class Weight(NamedTuple):
    values: int
    size: int
    """Bytes of the texts; 8 of any other value."""


def parquet_rows(path: Path, *, most_values: int, most_bytes: int) -> Iterator[dict[str, Any] | str]:
    """Each row in order, or why it is not read: it is beyond the bounds, or holds what Python cannot.

    Raises RefusedParquet, PackedTooTightly, ArrowException and OSError.
    """
    from pyarrow import parquet

    unpacking, ahead = Unpacking(path), Unpacking(path)
    with parquet.ParquetFile(path) as file:
        _check_schema(file)
        for group in range(file.metadata.num_row_groups):
            for batch in _batches(path, file, group, ahead):
                for rows, weight in _steps(batch):
                    unpacking.take(content_bytes=weight.size, rows=rows.num_rows)
                    if rows.num_rows == 1 and weight.values > most_values:
                        yield f"the row holds more than {most_values:,} values"
                    elif rows.num_rows == 1 and weight.size > most_bytes:
                        yield f"the row is longer than {most_bytes // 2**20} MiB"
                    else:
                        yield from _objects(rows)


def _check_schema(file: "parquet.ParquetFile") -> None:
    """Raises RefusedParquet."""
    schema = file.metadata.schema
    paths = [schema.column(index).path for index in range(len(schema))]
    names = file.schema_arrow.names
    if len(set(names)) < len(names) or len(set(paths)) < len(paths) or _names_twice(list(file.schema_arrow)):
        raise RefusedParquet(NAMED_TWICE)
    if any((schema.column(index).length or 0) > FIXED_BYTES for index in range(len(schema))):
        raise RefusedParquet(f"a column holds binary values of more than {FIXED_BYTES} bytes each: leave it out")


def _names_twice(fields: "list[pyarrow.Field]") -> bool:
    from pyarrow import types

    for field in fields:
        kind = field.type
        inner = [kind.field(index) for index in range(kind.num_fields)] if types.is_nested(kind) else []
        if types.is_struct(kind) and len({part.name for part in inner}) < len(inner):
            return True
        if _names_twice(inner):
            return True
    return False


def _batches(path: Path, file: "parquet.ParquetFile", group: int, ahead: Unpacking) -> "Iterator[pyarrow.RecordBatch]":
    """Raises RefusedParquet and PackedTooTightly before anything is decoded."""
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
        # A dictionary stands before a column's first value, and comes with it.
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
    """Of its pages, unpacked."""
    is_repeated: bool
    """Whether one row may hold several of its values."""
    is_coded: bool
    """Whether a text is stored once and repeated by number."""


def _columns(file: "parquet.ParquetFile", group: int) -> Iterator[_Column]:
    """Raises RefusedParquet for an encoding in which a text repeats the start of the one before."""
    schema, found = file.metadata.schema, file.metadata.row_group(group)
    for index in range(found.num_columns):
        column = found.column(index)
        if "DELTA_BYTE_ARRAY" in column.encodings:
            raise RefusedParquet("a column is coded as DELTA_BYTE_ARRAY: write it with a dictionary or PLAIN")
        coded = column.physical_type == "BYTE_ARRAY" and not {"PLAIN_DICTIONARY", "RLE_DICTIONARY"}.isdisjoint(
            column.encodings
        )
        repeated = schema.column(index).max_repetition_level > 0
        yield _Column(column.path_in_schema, column.num_values, column.total_uncompressed_size, repeated, coded)


def _batch_rows(coded: list[_Column], longest: list[int]) -> int:
    """How many rows may be decoded at once if each value may be the longest of its column; 0: not even one."""
    lists = sum(column.values * size for column, size in zip(coded, longest, strict=True) if column.is_repeated)
    cells = sum(size for column, size in zip(coded, longest, strict=True) if not column.is_repeated)
    if lists > DECODED_BYTES or cells > DECODED_BYTES:
        return 0
    return min(BATCH_ROWS, DECODED_BYTES // max(cells, 1))


def _steps(rows: "pyarrow.RecordBatch") -> "Iterator[tuple[pyarrow.RecordBatch, Weight]]":
    """As many rows at once as make a small step; a larger row comes alone."""
    weight = _sum(weigh(column) for column in rows.columns)
    if rows.num_rows <= 1 or (
        rows.num_rows <= BATCH_ROWS and weight.values <= STEP_VALUES and weight.size <= STEP_BYTES
    ):
        yield rows, weight
        return
    half = rows.num_rows // 2
    for part in (rows.slice(0, half), rows.slice(half)):
        yield from _steps(part)


def weigh(array: "pyarrow.Array") -> Weight:
    """What the array would become in Python, counted without making it."""
    from pyarrow import types

    kind = array.type
    own = len(array)
    if types.is_dictionary(kind):
        return Weight(own, _text_bytes(array))
    inner = [*_inner(array)]
    if inner:
        return _sum([Weight(own, 0), *map(weigh, inner)])
    return Weight(own, _text_bytes(array) if _is_text(kind) else 8 * own)


def _sum(weights: Any) -> Weight:
    found = list(weights)
    return Weight(sum(weight.values for weight in found), sum(weight.size for weight in found))


def _inner(array: "pyarrow.Array") -> "Iterator[pyarrow.Array]":
    """What the array's lists or structs hold, no more than the slice of it."""
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


def _is_text(kind: "pyarrow.DataType") -> bool:
    from pyarrow import types

    tests = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(test(kind) for test in (*tests, types.is_string_view, types.is_binary_view))


def _text_bytes(array: "pyarrow.Array") -> int:
    from pyarrow import compute, types

    if types.is_dictionary(array.type):
        if not _is_text(array.type.value_type):
            return 8 * len(array)
        lengths = compute.binary_length(array.dictionary).take(array.indices)
    else:
        lengths = compute.binary_length(_measurable(array))
    return compute.sum(lengths.cast("int64")).as_py() or 0


def _measurable(array: "pyarrow.Array") -> "pyarrow.Array":
    """Views have no kernel for their length."""
    from pyarrow import types

    if types.is_string_view(array.type) or types.is_binary_view(array.type):
        return array.cast("large_binary")
    return array


def _longest(array: "pyarrow.Array") -> int:
    """Bytes of the longest text in the dictionaries of the array."""
    from pyarrow import compute, types

    if types.is_dictionary(array.type):
        if not len(array.dictionary) or not _is_text(array.type.value_type):
            return 0
        return compute.max(compute.binary_length(array.dictionary)).as_py() or 0
    return max(map(_longest, _inner(array)), default=0)


def _objects(rows: "pyarrow.RecordBatch") -> Iterator[dict[str, Any] | str]:
    """All at once; where one has a value that cannot be had in Python, one by one."""
    # Nothing is handed out within the try: what goes wrong with the one who reads is not the row's fault.
    found: list[dict[str, Any]] | str
    try:
        found = rows.to_pylist()
    except _UNREADABLE as error:
        found = _reason(error)
    if not isinstance(found, str):
        yield from found
    elif rows.num_rows == 1:
        yield found
    else:
        for index in range(rows.num_rows):
            yield from _objects(rows.slice(index, 1))


_UNREADABLE = (ValueError, ArithmeticError, LookupError, TypeError, NotImplementedError, RecursionError)
"""pyarrow's own exceptions about values are ValueErrors, too."""


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not valid UTF-8; save the texts as UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return "a date, a time or another value is beyond what can be read"
