"""What a check counts while the rows go by."""

from collections import Counter
from collections.abc import Iterable

from finery.contracts.datasets.info import Source
from finery.contracts.datasets.recipes import READER_OF_RECIPE
from finery.contracts.datasets.report import DatasetReport, RowFlaw
from finery.contracts.datasets.rows import Conversation, Example, Feedback, Message, Preference, Role, RowRefused
from finery.contracts.datasets.shapes import SHAPES_OF_RECIPE, Shape, shape_of
from finery.domain.datasets.swift import SwiftReader, roles_of
from finery.kit.tables import BrokenRow, Row

MAX_FLAWS = 20
MAX_ORDERS = 1000


class Tally:
    def __init__(self, source: Source, recipe: str) -> None:
        self._source = source
        self._recipe = recipe
        self._read = READER_OF_RECIPE[recipe]
        self._shapes_served = SHAPES_OF_RECIPE[recipe]
        self._shapes: Counter[str] = Counter()
        self._orders: Counter[tuple[Role, ...]] = Counter()
        # An entry says how rows of the file are renamed before they are read: only the long way does that.
        self._swift = SwiftReader(recipe) if source.entry is None else None
        self._roles: dict[tuple[str, ...], tuple[Role, ...] | None] = {}
        self._flaws: list[RowFlaw] = []
        self._flawed = 0
        self._untrainable = 0

    def accept(self, data: bytes) -> bool:
        """Count a JSON row the swift way; False where that cannot be done."""
        row = self._swift.read(data) if self._swift else None
        if row is None:
            return False
        speakers = row.speakers()
        if speakers not in self._roles:
            self._roles[speakers] = roles_of(speakers, row.shape)
        roles = self._roles[speakers]
        if roles is None:
            return False
        self._count(row.shape, roles, row.is_trainable())
        return True

    def add(self, row: Row | BrokenRow) -> None:
        if isinstance(row, BrokenRow):
            self._add_flaw(RowFlaw(row.line, row.number, "", row.reason))
            return
        try:
            value = self._source.normalise(row.value)
            example = self._read(value)
        except RowRefused as error:
            self._add_flaw(RowFlaw(row.line, row.number, self._source.field(error.field), error.reason))
            return
        self._count(shape_of(value, self._shapes_served), order_of(example), example.is_trainable)

    def report(self, *, size: int, sha256: str) -> DatasetReport:
        return DatasetReport(
            file=self._source.file,
            recipe=self._recipe,
            bytes=size,
            sha256=sha256,
            rows=self._shapes.total() + self._flawed,
            shapes=dict(self._shapes.most_common()),
            role_orders={" ".join(order): count for order, count in self._orders.most_common()},
            untrainable=self._untrainable,
            flaws=tuple(self._flaws),
            flawed=self._flawed,
        )

    def _add_flaw(self, flaw: RowFlaw) -> None:
        self._flawed += 1
        if len(self._flaws) < MAX_FLAWS:
            self._flaws.append(flaw)

    def _count(self, shape: Shape, order: tuple[Role, ...], is_trainable: bool) -> None:
        self._shapes[shape.value] += 1
        self._untrainable += not is_trainable
        if order and (order in self._orders or len(self._orders) < MAX_ORDERS):
            self._orders[order] += 1


def order_of(example: Example) -> tuple[Role, ...]:
    match example:
        case Conversation():
            return _roles(example.messages)
        case Preference():
            return _roles(example.prompt + example.chosen)
        case Feedback():
            return _roles(example.prompt + example.completion)
    return ()


def _roles(messages: Iterable[Message]) -> tuple[Role, ...]:
    return tuple(message["role"] for message in messages)
