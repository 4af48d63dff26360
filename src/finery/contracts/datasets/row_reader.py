"""Reads dataset rows into training examples; check, statistics, measuring and training all use it."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.json import Decoder

from finery.contracts.datasets.conversation import Conversation
from finery.contracts.datasets.detection import find_format, misplaced
from finery.contracts.datasets.examples import Example, Task
from finery.contracts.datasets.formats import FORMATS, every_format
from finery.contracts.datasets.info import Source
from finery.contracts.datasets.message_reader import RowRefused, unknown_keys
from finery.contracts.datasets.messages import JsonObject
from finery.contracts.datasets.row_format import FUNCTIONS, LABEL_KEYS, RowFormat, columns_of
from finery.contracts.recipes.data_rules import ExampleKind
from finery.kit.tables import UNREADABLE, BrokenRow, ObjectDecoder, Row, scan_rows

REJECTED = "rejected"
TELLING = {REJECTED, FUNCTIONS, *LABEL_KEYS}
"""Columns that may mark another format although a row has all columns of one."""
TRIES = 16
"""How often a decoder is made for the rows of one file; if they vary more, they are read from objects."""
MOST_COLUMNS = 200


class DatasetReader:
    """Reads the rows of a file."""

    def __init__(self, source: Source, kind: ExampleKind | None) -> None:
        """`kind`: see RowReader."""
        self._source = source
        self._reader = RowReader(kind)
        # A grader may read any column of a task, and an entry may rename columns, so both need whole objects.
        needs_objects = kind is ExampleKind.TASK or source.entry is not None
        self._decoder = ObjectDecoder() if needs_objects else FormatDecoder(self._reader)

    def rows(self) -> Iterator[Row | BrokenRow]:
        """Yields all rows in order, for `read`. Raises UnreadableTable and OSError."""
        return scan_rows(self._source.file, decoder=self._decoder)

    def read(self, row: Row) -> tuple[str, Example]:
        """Returns the format's name and the training example. Raises RowRefused with the file's own column names."""
        try:
            value = row.value
            if type(value) is dict:
                return self._reader.read(self._source.normalise(value))
            return value.name, value.example()
        except RowRefused as error:
            raise RowRefused(self._source.field(error.field), error.reason, line=row.line) from error

    def unknown_keys(self, row: Row) -> list[str]:
        """Returns the keys in a row's messages that nothing reads. A row that was decoded into a format has none."""
        return unknown_keys(self._source.normalise(row.value)) if type(row.value) is dict else []


class RowReader:
    """Reads rows that become one kind of example."""

    def __init__(self, kind: ExampleKind | None) -> None:
        """`kind`: None accepts rows of every format, each as the first kind of example that its format serves."""
        self._kind = kind
        judged = FORMATS[ExampleKind.FEEDBACK] if kind is ExampleKind.CONVERSATION_OR_TEXT else ()
        self._candidates = every_format() if kind is None else (*judged, *FORMATS[kind])

    def read(self, row: JsonObject) -> tuple[str, Example]:
        """Returns the format's name and the training example. Raises RowRefused."""
        row_format = self.format_of(row)
        example = row_format.read(row).example()
        if isinstance(example, Task):
            example.item = row
        if isinstance(example, Conversation) and row.get(REJECTED) is not None and example.roles[-1] != "assistant":
            # It ends with a question, and its columns hold two answers: a preference.
            raise misplaced(find_format(row, FORMATS[ExampleKind.PREFERENCE]))
        return row_format.name, example

    def format_of(self, row: JsonObject) -> type[RowFormat]:
        """Returns the row's format. Raises RowRefused."""
        row_format = find_format(row, self._candidates)
        if self._kind is ExampleKind.CONVERSATION_OR_TEXT and row_format in FORMATS[ExampleKind.FEEDBACK]:
            # A labelled answer may be a bad one, which must not be learned.
            raise misplaced(row_format)
        return row_format


class FormatDecoder(ObjectDecoder):
    """Decodes rows of JSON straight into their format, as long as they have the same columns as those before them.

    Any other row becomes an object, which the format reads in every spelling.
    """

    def __init__(self, reader: RowReader) -> None:
        self._reader = reader
        self._tries = TRIES
        self._decoder: Decoder[RowFormat] | None = None
        self._format: type[RowFormat] | None = None
        # Further columns of the rows: those with any value, and those that must be null.
        self._filled: set[str] = set()
        self._empty: set[str] = set()

    def decode(self, data: bytes) -> Any:
        """Returns a RowFormat, or an object."""
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
        """Makes a decoder for rows with the columns of this one and those that were known before."""
        try:
            row_format = self._reader.format_of(row)
            own = columns_of(row_format).keys()
            filled = {name for name, value in row.items() if value is not None} - own - TELLING
            empty = row.keys() - own - filled
            if row_format is self._format:
                filled |= self._filled
                empty = (empty | self._empty) - filled
            # A row with any value in these columns must still have the same format.
            is_sure = self._reader.format_of(dict.fromkeys((*own, *filled), True)) is row_format
        except RowRefused:
            return
        if not is_sure or len(filled) + len(empty) > MOST_COLUMNS:
            return
        try:
            decoder = Decoder(row_format.decoded(filled, empty))
            decoder.decode(data)
        except (*UNREADABLE, ValueError):
            # Its spelling is only read from objects, or a column's name holds a quote. The next row may do.
            return
        self._decoder, self._format, self._filled, self._empty = decoder, row_format, filled, empty
