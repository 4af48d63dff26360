"""Checks a dataset for a recipe in one pass: row formats, untrainable rows, duplicates, overlap with validation."""

from collections import Counter
from collections.abc import Iterator, Sequence

from finery.contracts.datasets.conversation import Conversation
from finery.contracts.datasets.examples import Example, Feedback
from finery.contracts.datasets.info import Source
from finery.contracts.datasets.message_reader import READ_KEYS, RowRefused
from finery.contracts.datasets.messages import FunctionWrittenTwice, Role
from finery.contracts.datasets.recipes import example_kind_of
from finery.contracts.datasets.report import (
    MAX_NAMED,
    DatasetReport,
    Duplicates,
    Longest,
    Overlap,
    Place,
    RowIssue,
    RowWarning,
    WarningKind,
)
from finery.contracts.datasets.row_reader import DatasetReader
from finery.contracts.datasets.signatures import Signatures
from finery.kit.printable import printable
from finery.kit.suggest import nearest
from finery.kit.tables import BrokenRow, Row, UnreadableTable

MAX_ORDERS = 1000
BYTES_PER_TOKEN = 4
BYTES_PER_MESSAGE = 34
"""Bytes of `{"role": "assistant", "content": ""}, `, which are not content."""


def examine(source: Source, recipe: str, validation: Source | None = None) -> DatasetReport:
    """Returns the report. Memory holds a few rows, and 8 to 32 bytes for each of the first two million.

    Raises OSError.
    """
    counts = _count(source, recipe)
    report = counts.report(recipe)
    if validation is None or report.unreadable:
        return report
    other = _count(validation, recipe)
    count, pairs = counts.signatures.shared_with(other.signatures)
    overlap = Overlap(
        file=validation.file,
        rows=other.rows,
        invalid=other.invalid,
        unreadable=other.unreadable,
        count=count,
        pairs=pairs,
    )
    warning = _warning(WarningKind.OVERLAP, count, [pair.row for pair in pairs])
    warnings = (*report.warnings, warning) if count else report.warnings
    return report.model_copy(update={"overlap": overlap, "warnings": warnings})


def _count(source: Source, recipe: str) -> "_Counts":
    counts, reader = _Counts(source), DatasetReader(source, example_kind_of(recipe))
    try:
        for row in reader.rows():
            try:
                if isinstance(row, BrokenRow):
                    raise RowRefused("", row.reason)
                name, example = reader.read(row)
            except RowRefused as error:
                counts.add_issue(RowIssue(line=row.line, row=row.number, field=error.field, reason=error.reason))
            else:
                counts.add(row, name, example)
                counts.add_unknown_keys(row, reader.unknown_keys(row))
    except UnreadableTable as error:
        counts.unreadable = str(error)
    return counts


class _Counts:
    """Accumulates the report while a file's rows are read."""

    def __init__(self, source: Source) -> None:
        self.signatures = Signatures()
        self.invalid = 0
        self.unreadable = ""
        self._source = source
        self._formats: Counter[str] = Counter()
        self._orders: dict[tuple[Role, ...], int] = {}
        self._issues: list[RowIssue] = []
        self._flagged = {kind: _FlaggedRows() for kind in WarningKind}
        self._unknown_keys: dict[str, None] = {}
        self._labels: Counter[bool] = Counter()
        self._messages = self._masked = self._calls = self._bytes = 0
        self._longest = Longest(line=0, row=0, bytes=0)

    @property
    def rows(self) -> int:
        return self._formats.total() + self.invalid

    def add_issue(self, issue: RowIssue) -> None:
        self.invalid += 1
        if len(self._issues) < MAX_NAMED:
            self._issues.append(issue)

    def add(self, row: Row, name: str, example: Example) -> None:
        # Nearly all examples of a large file are conversations, so they skip the general way.
        if isinstance(example, Conversation):
            conversation, is_idle = example, not example.learned
            self._masked += conversation.masked
            if conversation.roles[-1] != "assistant":
                self._flagged[WarningKind.NO_ANSWER_LAST].add(row)
        else:
            conversation, is_idle = example.as_conversation(), not example.is_trainable
            if isinstance(example, Feedback) and not is_idle:
                self._labels[example.label] += 1
        if is_idle:
            self._flagged[WarningKind.NOTHING_TO_LEARN].add(row)
        if conversation.calls:
            self._calls += len(conversation.calls)
            if conversation.is_unanswered:
                self._flagged[WarningKind.UNANSWERED_CALL].add(row)
            if any(isinstance(call.function, FunctionWrittenTwice) for call in conversation.calls):
                self._flagged[WarningKind.ARGUMENTS_WRITTEN_TWICE].add(row)
        self._formats[name] += 1
        order = conversation.roles
        self._messages += len(order)
        if (count := self._orders.get(order)) is not None:
            self._orders[order] = count + 1
        elif order and len(self._orders) < MAX_ORDERS:
            self._orders[order] = 1
        self.signatures.add(hash(example.texts()), row.line, row.number)
        self._bytes += row.size
        if row.size > self._longest.bytes:
            self._longest = Longest(line=row.line, row=row.number, bytes=row.size)

    def add_unknown_keys(self, row: Row, keys: Sequence[str]) -> None:
        if keys:
            self._flagged[WarningKind.UNKNOWN_KEY].add(row)
            self._unknown_keys |= dict.fromkeys(keys[: MAX_NAMED - len(self._unknown_keys)])

    def report(self, recipe: str) -> DatasetReport:
        duplicates = self.signatures.duplicates()
        return DatasetReport(
            file=self._source.file,
            recipe=recipe,
            bytes=self._source.file.stat().st_size,
            rows=self.rows,
            shapes=dict(self._formats.most_common()),
            role_orders={" ".join(order): count for order, count in Counter(self._orders).most_common()},
            untrainable=self._flagged[WarningKind.NOTHING_TO_LEARN].count,
            issues=tuple(self._issues),
            invalid=self.invalid,
            unreadable=self.unreadable,
            messages=self._messages,
            masked_messages=self._masked,
            tool_calls=self._calls,
            longest=self._longest if self._longest.row else None,
            estimated_tokens=max(0, self._bytes - BYTES_PER_MESSAGE * self._messages) // BYTES_PER_TOKEN,
            duplicates=duplicates,
            warnings=tuple(warning for warning in self._warnings(duplicates) if warning.count),
        )

    def _warnings(self, duplicates: Duplicates) -> Iterator[RowWarning]:
        """Yields a warning of each kind, also those without a row."""
        # A file without anything to learn is refused for that, and needs no warning.
        is_idle = self._flagged[WarningKind.NOTHING_TO_LEARN].count == self.rows - self.invalid
        idle = () if is_idle else (WarningKind.NOTHING_TO_LEARN,)
        for kind in (
            WarningKind.NO_ANSWER_LAST,
            *idle,
            WarningKind.UNANSWERED_CALL,
            WarningKind.ARGUMENTS_WRITTEN_TWICE,
        ):
            yield _warning(kind, self._flagged[kind].count, self._flagged[kind].places)
        yield _warning(WarningKind.DUPLICATE, duplicates.count, [pair.again for pair in duplicates.pairs])
        unknown = self._flagged[WarningKind.UNKNOWN_KEY]
        keys = ", ".join(map(_quoted_key, self._unknown_keys))
        yield _warning(WarningKind.UNKNOWN_KEY, unknown.count, unknown.places, keys)
        if self._labels.total() > 1 and len(self._labels) == 1:
            label = str(next(iter(self._labels))).lower()
            yield _warning(WarningKind.ONE_LABEL, self._labels.total(), (), label)


class _FlaggedRows:
    """The number of rows with a warning, and the positions of the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.places: list[Place] = []

    def add(self, row: Row) -> None:
        self.count += 1
        if len(self.places) < MAX_NAMED:
            self.places.append(Place(line=row.line, row=row.number))


def _quoted_key(key: str) -> str:
    near = nearest(key, READ_KEYS)
    return f"{printable(key[:50])!r}" + (f" (did you mean {near!r}?)" if near else "")


def _warning(kind: WarningKind, count: int, places: Sequence[Place], detail: str = "") -> RowWarning:
    return RowWarning(kind=kind, message=_MESSAGES[kind].format(detail), count=count, places=tuple(places))


_MESSAGES = {
    WarningKind.DUPLICATE: "has the messages of an earlier row",
    WarningKind.OVERLAP: "stands in the validation file too, which then measures what was learned by heart",
    WarningKind.NO_ANSWER_LAST: "ends without an assistant's message: what follows its last answer teaches nothing",
    WarningKind.NOTHING_TO_LEARN: "has nothing to learn, and is left out",
    WarningKind.UNANSWERED_CALL: "goes on after a tool call that no tool answers",
    WarningKind.ARGUMENTS_WRITTEN_TWICE: "has a tool call whose arguments are JSON text within JSON text: "
    "learned is the object that they mean",
    WarningKind.UNKNOWN_KEY: "has in a message what nothing reads: {}",
    WarningKind.ONE_LABEL: "has the label {}, as all others: there is nothing to contrast; add rows of the other label",
}
