"""What every swift row answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import msgspec
from msgspec import Struct

from finery.contracts.datasets.shapes import Shape
from finery.contracts.datasets.signatures import Texts

NOT_EMPTY = msgspec.Meta(min_length=1)
Speaker = type | str
"""Who speaks: a message's struct, or its word for the role."""


@dataclass(frozen=True)
class Study:
    """What some rows are."""

    orders: Sequence[tuple[Speaker, ...]]
    """Of each row, who speaks."""
    hashes: Sequence[int]
    """Of each row's texts."""
    idle: Sequence[int] = ()
    """The rows with nothing to learn, by their index among these. So are the next."""
    unanswered: Sequence[int] = ()
    """A tool call, a conversation that goes on, and no tool's answer."""
    masked: int = 0
    calls: int = 0


class SwiftRow(Struct, gc=False):
    shape: ClassVar[Shape]
    tools: None = None
    label: None = None
    kto_tag: None = None

    def speakers(self) -> tuple[Speaker, ...]:
        raise NotImplementedError

    def texts(self) -> Texts:
        """As signatures.texts_of has them."""
        raise NotImplementedError

    def is_trainable(self) -> bool:
        raise NotImplementedError

    @classmethod
    def study(cls, rows: Sequence[Self]) -> Study | None:
        """None where the long way must look at one of them."""
        return Study(
            orders=[row.speakers() for row in rows],
            hashes=[hash(row.texts()) for row in rows],
            idle=[index for index, row in enumerate(rows) if not row.is_trainable()],
        )


def says(text: str) -> bool:
    return text != "" and not text.isspace()
