"""What a check counts while the rows go by."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from finery.contracts.datasets.info import Source
from finery.contracts.datasets.messages import follow_calls, step_of
from finery.contracts.datasets.noted import Noted
from finery.contracts.datasets.recipes import READER_OF_KIND, kind_of
from finery.contracts.datasets.report import MAX_NAMED, DatasetReport, Longest, Place, RowFlaw, WarningKind
from finery.contracts.datasets.rows import (
    Conversation,
    Example,
    Feedback,
    Message,
    Preference,
    Role,
    RowRefused,
    Task,
    has_content,
)
from finery.contracts.datasets.shapes import SHAPES_OF_KIND, Shape, shape_of
from finery.contracts.datasets.signatures import Signatures, texts_of
from finery.contracts.datasets.swift.base import Speaker, SwiftRow
from finery.contracts.datasets.swift.reader import SwiftReader, roles_of
from finery.kit.tables import BrokenRow, Row
from finery.kit.text import has_longer_line

MAX_ORDERS = 1000
BYTES_PER_TOKEN = 4
BYTES_PER_MESSAGE = 34
"""`{"role": "assistant", "content": ""}, ` without the words themselves."""


class Tally:
    """Takes rows of JSON the swift way where it can (see kit.tables.Taker), and all others by `add`."""

    def __init__(self, source: Source, recipe: str) -> None:
        self.signatures = Signatures()
        self._source = source
        self._recipe = recipe
        kind = kind_of(recipe)
        self._read = READER_OF_KIND[kind]
        self._shapes_served = SHAPES_OF_KIND[kind]
        # An entry says how rows of the file are renamed before they are read: only the long way does that.
        self._swift = SwiftReader(kind) if source.entry is None else None
        self._shapes: Counter[str] = Counter()
        self._orders: dict[tuple[Role, ...], int] = {}
        self._roles: dict[tuple[Speaker, ...], tuple[Role, ...] | None] = {}
        self._flaws: list[RowFlaw] = []
        self.flawed = 0
        self._noted = Noted()
        self._messages = self._masked = self._calls = self._bytes = 0
        self._longest = Longest(line=0, row=0, bytes=0)

    @property
    def rows(self) -> int:
        return self._shapes.total() + self.flawed

    def take_block(self, block: bytes, line: int, number: int) -> int:
        rows = self._swift.read_block(block) if self._swift else None
        if rows is None or not self._take(rows, line, number):
            return 0
        if has_longer_line(block, self._longest.bytes):
            self._measure([*map(len, block.split(b"\n"))], line, number)
        else:
            self._bytes += len(block) - (len(rows) - 1)
        return len(rows)

    def take(self, data: bytes, line: int, number: int) -> bool:
        row = self._swift.read(data) if self._swift else None
        if row is None or not self._take([row], line, number):
            return False
        self._measure([len(data)], line, number)
        return True

    def add(self, row: Row | BrokenRow) -> None:
        if isinstance(row, BrokenRow):
            self._add_flaw(RowFlaw(line=row.line, row=row.number, field="", reason=row.reason))
            return
        try:
            value = self._source.normalise(row.value)
            example = self._read(value)
        except RowRefused as error:
            field = self._source.field(error.field)
            self._add_flaw(RowFlaw(line=row.line, row=row.number, field=field, reason=error.reason))
            return
        self._count(shape_of(value, self._shapes_served), {order_of(example): 1})
        self._note(example, Place(line=row.line, row=row.number))
        self.signatures.add([hash(texts_of(example))], row.line, row.number)
        self._measure([row.size], row.line, row.number)

    def report(self, *, size: int) -> DatasetReport:
        duplicates = self.signatures.duplicates()
        untrainable = self._noted.count(WarningKind.NOTHING_TO_LEARN)
        return DatasetReport(
            file=self._source.file,
            recipe=self._recipe,
            bytes=size,
            rows=self.rows,
            shapes=dict(self._shapes.most_common()),
            role_orders={" ".join(order): self._orders[order] for order in _by_count(self._orders)},
            untrainable=untrainable,
            flaws=tuple(self._flaws),
            flawed=self.flawed,
            messages=self._messages,
            masked_messages=self._masked,
            tool_calls=self._calls,
            longest=self._longest if self._longest.row else None,
            estimated_tokens=max(0, self._bytes - BYTES_PER_MESSAGE * self._messages) // BYTES_PER_TOKEN,
            duplicates=duplicates,
            warnings=self._noted.warnings(duplicates, all_idle=untrainable == self.rows - self.flawed),
        )

    def _take(self, rows: Sequence[SwiftRow], line: int, number: int) -> bool:
        kind = type(rows[0])
        study = kind.study(rows)
        if study is None:
            return False
        orders: Counter[tuple[Role, ...]] = Counter()
        open_ended: set[tuple[Speaker, ...]] = set()
        for speakers, count in Counter(study.orders).items():
            roles = self._roles_of(speakers, kind.shape)
            if roles is None:
                return False
            orders[roles] += count
            if not _ends_well(roles):
                open_ended.add(speakers)
        self._count(kind.shape, orders)
        if open_ended:
            indexes = [index for index, speakers in enumerate(study.orders) if speakers in open_ended]
            self._noted.add(WarningKind.NO_ANSWER_LAST, indexes, line, number)
        self._noted.add(WarningKind.NOTHING_TO_LEARN, study.idle, line, number)
        self._noted.add(WarningKind.UNANSWERED_CALL, study.unanswered, line, number)
        self._masked += study.masked
        self._calls += study.calls
        self.signatures.add(study.hashes, line, number)
        return True

    def _roles_of(self, speakers: tuple[Speaker, ...], shape: Shape) -> tuple[Role, ...] | None:
        if speakers in self._roles:
            return self._roles[speakers]
        if len(self._roles) >= MAX_ORDERS:
            self._roles.clear()
        roles = self._roles[speakers] = roles_of(speakers, shape)
        return roles

    def _note(self, example: Example, place: Place) -> None:
        messages = _messages_of(example)
        found = {
            WarningKind.NO_ANSWER_LAST: isinstance(example, Conversation) and not _ends_well(_roles(messages)),
            WarningKind.NOTHING_TO_LEARN: not example.is_trainable,
            WarningKind.UNANSWERED_CALL: follow_calls(map(step_of, messages))[1],
        }
        for kind, is_so in found.items():
            self._noted.add(kind, (0,) if is_so else (), place.line, place.row)
        self._calls += sum(len(message.get("tool_calls", ())) for message in messages)
        if isinstance(example, Conversation):
            self._masked += _masked(example)

    def _add_flaw(self, flaw: RowFlaw) -> None:
        self.flawed += 1
        if len(self._flaws) < MAX_NAMED:
            self._flaws.append(flaw)

    def _count(self, shape: Shape, orders: Mapping[tuple[Role, ...], int]) -> None:
        for order, count in orders.items():
            self._shapes[shape.value] += count
            self._messages += len(order) * count
            if order and (order in self._orders or len(self._orders) < MAX_ORDERS):
                self._orders[order] = self._orders.get(order, 0) + count

    def _measure(self, sizes: Sequence[int], line: int, number: int) -> None:
        """Of consecutive rows on lines of their own."""
        self._bytes += sum(sizes)
        longest = max(sizes)
        if longest > self._longest.bytes:
            index = sizes.index(longest)
            self._longest = Longest(line=line + index, row=number + index, bytes=longest)


def order_of(example: Example) -> tuple[Role, ...]:
    return _roles(_messages_of(example))


def _messages_of(example: Example) -> list[Message]:
    match example:
        case Conversation():
            return example.messages
        case Preference():
            return example.prompt + example.chosen
        case Feedback():
            return example.prompt + example.completion
        case Task():
            return example.prompt
    return []


def _masked(row: Conversation) -> int:
    """Answers that are not learned though they say something."""
    return sum(not trains and has_content([message]) for message, trains in zip(row.messages, row.trains, strict=True))


def _roles(messages: Iterable[Message]) -> tuple[Role, ...]:
    return tuple(message["role"] for message in messages)


def _ends_well(order: tuple[Role, ...]) -> bool:
    return not order or order[-1] == "assistant"


def _by_count(orders: dict[tuple[Role, ...], int]) -> list[tuple[Role, ...]]:
    return sorted(orders, key=lambda order: -orders[order])
