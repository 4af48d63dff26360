"""Reads the rows of an untrusted Parquet file: `parquet_batches` decodes it in a process of its own, and the size of
each row is computed from Arrow's buffers before Python objects are made."""

import subprocess
import sys
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from finery.kit.one_shot_program import passed_environment
from finery.kit.parquet_batches import BATCH_ROWS, REFUSED, RefusedParquet, inner_arrays, is_text
from finery.kit.text_chunks import Unpacking

if TYPE_CHECKING:
    import pyarrow

STEP_VALUES = 5_000
STEP_BYTES = 1 << 20
"""Limits of the rows that are converted at once, since no other thread can run meanwhile."""
ALONE = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Environment of the process: memory pools that free what they do not hold, and no threads of libraries."""


class DamagedParquet(ValueError):
    """The file is no valid Parquet, or its reader exceeded its limits of memory or time."""


class Weight(NamedTuple):
    values: int
    size: int
    """Bytes of the texts, and 8 for any other value."""


def parquet_rows(path: Path, *, most_values: int, most_bytes: int) -> Iterator[dict[str, Any] | str]:
    """Yields each row in order, or why it cannot be read: it exceeds the limits, or has values that Python cannot hold.

    Raises RefusedParquet, DamagedParquet, PackedTooTightly and OSError.
    """
    unpacking = Unpacking(path)
    for batch in batches_apart(path):
        for rows, weight in _steps(batch):
            unpacking.take(content_bytes=weight.size, rows=rows.num_rows)
            if rows.num_rows == 1 and weight.values > most_values:
                yield f"the row holds more than {most_values:,} values"
            elif rows.num_rows == 1 and weight.size > most_bytes:
                yield f"the row is longer than {most_bytes // 2**20} MiB"
            else:
                yield from _objects(rows)


def batches_apart(path: Path) -> "Iterator[pyarrow.RecordBatch]":
    """Decodes the file in a process of its own. Raises RefusedParquet, DamagedParquet, OSError."""
    import pyarrow

    argv = [sys.executable, "-P", "-m", "finery.kit.parquet_batches", str(path)]
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=passed_environment() | ALONE
    ) as process:
        assert isinstance(process.stdout, BufferedReader)
        assert process.stderr is not None
        is_whole = False
        try:
            yield from read_streams(process.stdout)
            is_whole = True
        except (pyarrow.ArrowException, OSError):
            # The stream was cut off; the exit code and stderr of its process say why.
            pass
        finally:
            # A process that has ended keeps its exit code, which was set before its pipe was closed.
            process.kill()
        words = process.stderr.read().decode(errors="replace").strip()
        if process.wait() == REFUSED:
            raise RefusedParquet(words)
        if process.returncode != 0 or not is_whole:
            raise DamagedParquet


def read_streams(source: BufferedReader) -> "Iterator[pyarrow.RecordBatch]":
    """Yields the batches of concatenated Arrow streams. Raises ArrowException, OSError."""
    from pyarrow import ipc

    while source.peek(1):
        yield from ipc.open_stream(source)


def _steps(rows: "pyarrow.RecordBatch") -> "Iterator[tuple[pyarrow.RecordBatch, Weight]]":
    """Splits a batch into small steps with their weights; a larger row comes alone."""
    weight = _sum(weigh(column) for column in rows.columns)
    if rows.num_rows <= 1 or (
        rows.num_rows <= BATCH_ROWS and weight.values <= STEP_VALUES and weight.size <= STEP_BYTES
    ):
        yield rows, weight
        return
    # The number of parts assumes equal rows; each part is weighed and split again.
    parts = max(2, weight.values // STEP_VALUES, weight.size // STEP_BYTES)
    length = max(1, rows.num_rows // parts)
    for start in range(0, rows.num_rows, length):
        yield from _steps(rows.slice(start, length))


def weigh(array: "pyarrow.Array") -> Weight:
    """Returns how much the array would become in Python, without converting it."""
    from pyarrow import types

    kind = array.type
    own = len(array)
    if types.is_dictionary(kind):
        return Weight(own, _text_bytes(array))
    inner = [*inner_arrays(array)]
    if inner:
        return _sum([Weight(own, 0), *map(weigh, inner)])
    return Weight(own, _text_bytes(array) if is_text(kind) else 8 * own)


def _sum(weights: Any) -> Weight:
    listed = list(weights)
    return Weight(sum(weight.values for weight in listed), sum(weight.size for weight in listed))


def _text_bytes(array: "pyarrow.Array") -> int:
    from pyarrow import compute, types

    if types.is_dictionary(array.type):
        if not is_text(array.type.value_type):
            return 8 * len(array)
        lengths = compute.binary_length(array.dictionary).take(array.indices)
    else:
        lengths = compute.binary_length(_measurable(array))
    return compute.sum(lengths.cast("int64")).as_py() or 0


def _measurable(array: "pyarrow.Array") -> "pyarrow.Array":
    """Converts views, which have no kernel for their length."""
    from pyarrow import types

    if types.is_string_view(array.type) or types.is_binary_view(array.type):
        return array.cast("large_binary")
    return array


def _objects(rows: "pyarrow.RecordBatch") -> Iterator[dict[str, Any] | str]:
    """Converts all rows at once, or one by one if one of them has a value that Python cannot hold."""
    # No yield within the try: an error of the consumer is not the row's fault.
    objects: list[dict[str, Any]] | str
    try:
        objects = [{name: _without_nulls(value) for name, value in row.items()} for row in rows.to_pylist()]
    except _UNREADABLE as error:
        objects = _reason(error)
    if not isinstance(objects, str):
        yield from objects
    elif rows.num_rows == 1:
        yield objects
    else:
        for index in range(rows.num_rows):
            yield from _objects(rows.slice(index, 1))


def _without_nulls(value: Any) -> Any:
    """Removes null fields: Arrow gives each object of a column the keys of all of them, with null for missing ones."""
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


_UNREADABLE = (ValueError, ArithmeticError, LookupError, TypeError, NotImplementedError, RecursionError)
"""pyarrow's own exceptions about values are ValueErrors."""


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not valid UTF-8; save the texts as UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return "a date, a time or another value is beyond what can be read"
