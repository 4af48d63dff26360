"""One pass over a dataset: every row of a format that serves the recipe, something to learn, nothing twice."""

from collections import Counter

from finery.contracts.datasets.conversation import Conversation
from finery.contracts.datasets.examples import Example
from finery.contracts.datasets.info import Source
from finery.contracts.datasets.messages import Role
from finery.contracts.datasets.reader import DatasetReader
from finery.contracts.datasets.reading import RowRefused
from finery.contracts.datasets.recipes import kind_of
from finery.contracts.datasets.report import MAX_NAMED, DatasetReport, Longest, Overlap, RowFlaw, WarningKind
from finery.contracts.datasets.signatures import Signatures
from finery.contracts.datasets.warnings import RowWarnings, overlap_warning
from finery.kit.tables import BrokenRow, Row, UnreadableTable

MAX_ORDERS = 1000
BYTES_PER_TOKEN = 4
BYTES_PER_MESSAGE = 34
"""`{"role": "assistant", "content": ""}, ` without the words themselves."""


def examine(source: Source, recipe: str, validation: Source | None = None) -> DatasetReport:
    """The report, flaws and all; memory holds some rows, and 8 to 32 bytes for each of the first two million.

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
        flawed=other.flawed,
        unreadable=other.unreadable,
        count=count,
        pairs=pairs,
    )
    return report.model_copy(update={"overlap": overlap, "warnings": (*report.warnings, *overlap_warning(overlap))})


def _count(source: Source, recipe: str) -> "_Counts":
    counts, reader = _Counts(source), DatasetReader(source, kind_of(recipe))
    try:
        for row in reader.rows():
            try:
                if isinstance(row, BrokenRow):
                    raise RowRefused("", row.reason)
                name, example = reader.read(row)
            except RowRefused as error:
                counts.add_flaw(RowFlaw(line=row.line, row=row.number, field=error.field, reason=error.reason))
            else:
                counts.add(row, name, example)
    except UnreadableTable as error:
        counts.unreadable = str(error)
    return counts


class _Counts:
    """What is known of a file while its rows go by."""

    def __init__(self, source: Source) -> None:
        self.signatures = Signatures()
        self.flawed = 0
        self.unreadable = ""
        self._source = source
        self._formats: Counter[str] = Counter()
        self._orders: dict[tuple[Role, ...], int] = {}
        self._flaws: list[RowFlaw] = []
        self._warnings = RowWarnings()
        self._messages = self._masked = self._calls = self._bytes = 0
        self._longest = Longest(line=0, row=0, bytes=0)

    @property
    def rows(self) -> int:
        return self._formats.total() + self.flawed

    def add_flaw(self, flaw: RowFlaw) -> None:
        self.flawed += 1
        if len(self._flaws) < MAX_NAMED:
            self._flaws.append(flaw)

    def add(self, row: Row, name: str, example: Example) -> None:
        # Nearly all examples of a large file are conversations.
        if isinstance(example, Conversation):
            conversation, is_idle = example, not example.learned
            self._masked += conversation.masked
            if conversation.roles[-1] != "assistant":
                self._warn(WarningKind.NO_ANSWER_LAST, row)
        else:
            conversation, is_idle = example.as_conversation(), not example.is_trainable
        if is_idle:
            self._warn(WarningKind.NOTHING_TO_LEARN, row)
        if conversation.calls:
            self._calls += len(conversation.calls)
            if conversation.is_unanswered:
                self._warn(WarningKind.UNANSWERED_CALL, row)
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

    def report(self, recipe: str) -> DatasetReport:
        duplicates = self.signatures.duplicates()
        untrainable = self._warnings.count(WarningKind.NOTHING_TO_LEARN)
        return DatasetReport(
            file=self._source.file,
            recipe=recipe,
            bytes=self._source.file.stat().st_size,
            rows=self.rows,
            shapes=dict(self._formats.most_common()),
            role_orders={" ".join(order): self._orders[order] for order in _by_count(self._orders)},
            untrainable=untrainable,
            flaws=tuple(self._flaws),
            flawed=self.flawed,
            unreadable=self.unreadable,
            messages=self._messages,
            masked_messages=self._masked,
            tool_calls=self._calls,
            longest=self._longest if self._longest.row else None,
            estimated_tokens=max(0, self._bytes - BYTES_PER_MESSAGE * self._messages) // BYTES_PER_TOKEN,
            duplicates=duplicates,
            warnings=self._warnings.all(duplicates, all_idle=untrainable == self.rows - self.flawed),
        )

    def _warn(self, kind: WarningKind, row: Row) -> None:
        self._warnings.add(kind, line=row.line, row=row.number)


def _by_count(orders: dict[tuple[Role, ...], int]) -> list[tuple[Role, ...]]:
    return sorted(orders, key=lambda order: -orders[order])
