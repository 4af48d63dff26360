"""The one reader of rows: check, statistics, measuring and training understand a row as it does."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.json import Decoder

from finery.contracts.datasets.conversation import Conversation
from finery.contracts.datasets.detection import find_format, misplaced
from finery.contracts.datasets.examples import Example, Task
from finery.contracts.datasets.formats import FORMATS, every_format
from finery.contracts.datasets.info import Source
from finery.contracts.datasets.message_reader import RowRefused
from finery.contracts.datasets.messages import JsonObject
from finery.contracts.datasets.row_format import LABEL_KEYS, RowFormat, columns_of
from finery.contracts.recipes.data_rules import ExampleKind
from finery.kit.tables import UNREADABLE, BrokenRow, ObjectDecoder, Row, scan_rows

REJECTED = "rejected"
TELLING = {REJECTED, *LABEL_KEYS}
"""Columns that may tell of another format, even where a row has all columns of one."""
TRIES = 16
"""So often a decoder is made for the rows of one file. Where they differ yet more, they are read from objects."""
MOST_COLUMNS = 200


class DatasetReader:
    """Reads the rows of a file."""

    def __init__(self, source: Source, kind: ExampleKind | None) -> None:
        """`kind`: as of RowReader."""
        self._source = source
        self._reader = RowReader(kind)
        # A grader may look at any column of a task, and an entry may call a column by another name.
        needs_objects = kind is ExampleKind.TASK or source.entry is not None
        self._decoder = ObjectDecoder() if needs_objects else FormatDecoder(self._reader)

    def rows(self) -> Iterator[Row | BrokenRow]:
        """All rows in order, for `read`. Raises UnreadableTable and OSError."""
        return scan_rows(self._source.file, decoder=self._decoder)

    def read(self, row: Row) -> tuple[str, Example]:
        """The name of a row's format, and what is learned from it. Raises RowRefused in the file's own names."""
        try:
            value = row.value
            if type(value) is dict:
                return self._reader.read(self._source.normalise(value))
            return value.name, value.example()
        except RowRefused as error:
            raise RowRefused(self._source.field(error.field), error.reason, line=row.line) from error


class RowReader:
    """Understands the rows that may become a kind of example."""

    def __init__(self, kind: ExampleKind | None) -> None:
        """`kind`: None takes rows of every format, each as the first kind of example that its format serves."""
        self._kind = kind
        judged = FORMATS[ExampleKind.FEEDBACK] if kind is ExampleKind.CONVERSATION_OR_TEXT else ()
        self._candidates = every_format() if kind is None else (*judged, *FORMATS[kind])

    def read(self, row: JsonObject) -> tuple[str, Example]:
        """The name of a row's format, and what is learned from it. Raises RowRefused."""
        row_format = self.format_of(row)
        example = row_format.read(row).example()
        if isinstance(example, Task):
            example.item = row
        if isinstance(example, Conversation) and row.get(REJECTED) is not None and example.roles[-1] != "assistant":
            # It asks for the answer that is preferred.
            raise misplaced(find_format(row, FORMATS[ExampleKind.PREFERENCE]))
        return row_format.name, example

    def format_of(self, row: JsonObject) -> type[RowFormat]:
        """Raises RowRefused."""
        row_format = find_format(row, self._candidates)
        if self._kind is ExampleKind.CONVERSATION_OR_TEXT and row_format in FORMATS[ExampleKind.FEEDBACK]:
            # What was judged may be a bad example.
            raise misplaced(row_format)
        return row_format


class FormatDecoder(ObjectDecoder):
    """Decodes rows of JSON straight into their format, as long as they are like those before them.

    Of what it cannot decode so, it makes an object, which the format reads in every spelling.
    """

    def __init__(self, reader: RowReader) -> None:
        self._reader = reader
        self._tries = TRIES
        self._decoder: Decoder[RowFormat] | None = None
        self._format: type[RowFormat] | None = None
        # Columns beside those of the format: what these hold makes no difference, and those must be null.
        self._filled: set[str] = set()
        self._empty: set[str] = set()

    def decode(self, data: bytes) -> Any:
        """A RowFormat, or an object."""
        if self._decoder is not None:
            try:
                return self._decoder.decode(data)
            except UNREADABLE:
                pass
        row = super().decode(data)
        if self._tries:
            self._tries -= 1
            self._learn(row, data)
        return row

    def decode_lines(self, block: bytes) -> Sequence[Any]:
        return () if self._decoder is None else self._decoder.decode_lines(block)

    def _learn(self, row: JsonObject, data: bytes) -> None:
        """Make a decoder for rows that have no other columns than this one, and those that were known before."""
        try:
            row_format = self._reader.format_of(row)
            own = columns_of(row_format).keys()
            filled = {name for name, value in row.items() if value is not None} - own - TELLING
            empty = row.keys() - own - filled
            if row_format is self._format:
                filled |= self._filled
                empty = (empty | self._empty) - filled
            # Whatever its rows hold in these columns, they must be of the same format still.
            is_sure = self._reader.format_of(dict.fromkeys((*own, *filled), True)) is row_format
        except RowRefused:
            return
        if not is_sure or len(filled) + len(empty) > MOST_COLUMNS:
            return
        try:
            decoder = Decoder(row_format.decoded(filled, empty))
            decoder.decode(data)
        except (*UNREADABLE, ValueError):
            # It is in a spelling that is only read from objects, or a column has a quote in its name. Others may not.
            return
        self._decoder, self._format, self._filled, self._empty = decoder, row_format, filled, empty
