"""What a dataset is made of, counted in one pass; memory holds a row and some thousand counts."""

import json
import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from finery.contracts.datasets import RowRefused, Shape, shape_of
from finery.contracts.datasets.recipes import READER_OF_KIND
from finery.contracts.datasets.rows import Conversation, Example, Feedback, JsonObject, Message, Preference, Task, Text
from finery.contracts.datasets.shapes import SHAPES_OF_KIND
from finery.contracts.stored import Lengths, Statistics
from finery.domain.datasets.contents import reading
from finery.kit.tables import BrokenRow, scan_rows

BYTES_PER_TOKEN = 4
"""Of English and code about right; of Korean, Chinese and Japanese, at three bytes a character, somewhat high."""
TOKENS_PER_MESSAGE = 4
"""The marks that a chat template sets around each."""
EXACT_BITS = 9


def measure(path: Path, *, filename: str) -> Statistics:
    """Raises DatasetUnreadable."""
    tally = _Tally()
    with reading(filename):
        for row in scan_rows(path):
            tally.add(None if isinstance(row, BrokenRow) else row.value)
    return tally.statistics()


def estimate_tokens(text: str) -> int:
    """Without a tokenizer: a quarter of the bytes in UTF-8, rounded up."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return -(-size // BYTES_PER_TOKEN)


class _Tally:
    def __init__(self) -> None:
        self._rows = 0
        self._flawed = 0
        self._shapes: Counter[str] = Counter()
        self._roles: Counter[str] = Counter()
        self._characters = Histogram()
        self._tokens = Histogram()
        self._messages = Histogram()

    def add(self, value: JsonObject | None) -> None:
        self._rows += 1
        found = None if value is None else _understand(value)
        if found is None:
            self._flawed += 1
            return
        shape, example = found
        messages = messages_of(example)
        texts = [example.text] if isinstance(example, Text) else [_text(message) for message in messages]
        self._shapes[shape] += 1
        self._roles.update(message["role"] for message in messages)
        self._characters.add(sum(map(len, texts)))
        self._tokens.add(sum(map(estimate_tokens, texts)) + TOKENS_PER_MESSAGE * len(messages))
        self._messages.add(len(messages))

    def statistics(self) -> Statistics:
        return Statistics(
            rows=self._rows,
            flawed=self._flawed,
            shapes=dict(self._shapes.most_common()),
            roles=dict(self._roles.most_common()),
            characters=self._characters.lengths(),
            tokens=self._tokens.lengths(),
            messages=self._messages.lengths(),
        )


class Histogram:
    """Counts whole numbers; large ones by their first nine bits, so that it stays small whatever comes."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._total = 0
        self._min: int | None = None
        self._max = 0

    def add(self, value: int) -> None:
        shift = max(0, value.bit_length() - EXACT_BITS)
        self._counts[value >> shift << shift] += 1
        self._total += value
        self._min = value if self._min is None else min(self._min, value)
        self._max = max(self._max, value)

    def lengths(self) -> Lengths:
        count = self._counts.total()
        return Lengths(
            total=self._total,
            min=self._min or 0,
            mean=self._total / count if count else 0.0,
            p50=self._percentile(0.5),
            p95=self._percentile(0.95),
            max=self._max,
        )

    def _percentile(self, share: float) -> int:
        """The smallest value that is not exceeded by this share of all."""
        wanted, seen = math.ceil(self._counts.total() * share), 0
        for value in sorted(self._counts):
            seen += self._counts[value]
            if seen >= wanted:
                return max(value, self._min or 0)
        return 0


def messages_of(example: Example) -> list[Message]:
    match example:
        case Conversation():
            return example.messages
        case Preference():
            return [*example.prompt, *example.chosen, *example.rejected]
        case Feedback():
            return [*example.prompt, *example.completion]
        case Task():
            return example.prompt
    return []


def _understand(value: JsonObject) -> tuple[Shape, Example] | None:
    """A row as the first kind of example that its shape serves."""
    try:
        shape = shape_of(value)
        kind = next(kind for kind, shapes in SHAPES_OF_KIND.items() if shape in shapes)
        return shape, READER_OF_KIND[kind](value)
    except RowRefused:
        return None


def _text(message: Message) -> str:
    calls: Iterable[object] = message.get("tool_calls", ())
    parts = [message.get("reasoning_content", ""), message["content"], *(_call_text(call) for call in calls)]
    return "".join(parts)


def _call_text(call: object) -> str:
    return json.dumps(call, ensure_ascii=False, default=str)
