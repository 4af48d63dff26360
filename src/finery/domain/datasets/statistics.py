"""Counts formats, roles and lengths of a dataset in one pass; memory holds a row and some thousand counts."""

import json
import math
from collections import Counter
from pathlib import Path

from finery.contracts.datasets import RowRefused, Source
from finery.contracts.datasets.examples import Example, Preference, Text
from finery.contracts.datasets.messages import Message
from finery.contracts.datasets.row_reader import DatasetReader
from finery.contracts.stored_datasets import Bucket, Lengths, Statistics
from finery.domain.datasets.row_preview import refuse_unreadable
from finery.domain.datasets.writing import SAMPLE_CHARACTERS, writing_of
from finery.kit.tables import BrokenRow

BYTES_PER_TOKEN = 4
"""About right for English and code; for Korean, Chinese and Japanese, at three bytes a character, somewhat high."""
TOKENS_PER_MESSAGE = 4
"""The tokens that a chat template sets around a message."""
EXACT_BITS = 9
BUCKETS = 30
SHOWN_TEXTS = 5
"""Of a row, so many texts say in which language it is."""


def measure(path: Path, *, filename: str) -> Statistics:
    """Count the rows of a file. Raises DatasetUnreadable."""
    counts, reader = _Counts(), DatasetReader(Source(path), kind=None)
    with refuse_unreadable(filename):
        for row in reader.rows():
            try:
                if isinstance(row, BrokenRow):
                    raise row
                counts.add(*reader.read(row))
            except (BrokenRow, RowRefused):
                counts.invalid += 1
    return counts.statistics()


def estimate_tokens(text: str) -> int:
    """Estimate without a tokenizer: a quarter of the bytes in UTF-8, rounded up."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return -(-size // BYTES_PER_TOKEN)


class _Counts:
    def __init__(self) -> None:
        self.invalid = 0
        self._formats: Counter[str] = Counter()
        self._roles: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()
        self._characters = Histogram()
        self._tokens = Histogram()
        self._messages = Histogram()

    def add(self, row_format: str, example: Example) -> None:
        messages = example.as_conversation().messages
        if isinstance(example, Preference):
            messages = [*messages, *example.rejected]
        texts = [example.text] if isinstance(example, Text) else [_text(message) for message in messages]
        self._formats[row_format] += 1
        self._roles.update(message.role for message in messages)
        self._languages[
            writing_of("".join(text[: SAMPLE_CHARACTERS // SHOWN_TEXTS] for text in texts[:SHOWN_TEXTS]))
        ] += 1
        self._characters.add(sum(map(len, texts)))
        self._tokens.add(sum(map(estimate_tokens, texts)) + TOKENS_PER_MESSAGE * len(messages))
        self._messages.add(len(messages))

    def statistics(self) -> Statistics:
        return Statistics(
            rows=self._formats.total() + self.invalid,
            invalid=self.invalid,
            shapes=dict(self._formats.most_common()),
            roles=dict(self._roles.most_common()),
            languages=dict(self._languages.most_common()),
            characters=self._characters.lengths(),
            tokens=self._tokens.lengths(),
            messages=self._messages.lengths(),
        )


class Histogram:
    """Counts whole numbers, large ones by their first nine bits, so that it stays small whatever comes."""

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
            buckets=self._buckets(),
        )

    def _buckets(self) -> tuple[Bucket, ...]:
        # A few very long rows would otherwise press all others into one bar.
        start, end = self._min or 0, self._percentile(0.99)
        width = _round_width(max(1, end - start + 1) / BUCKETS)
        least = start // width * width
        counts: Counter[int] = Counter()
        for value, count in self._counts.items():
            counts[min(max(value, start), end) // width * width] += count
        edges = range(least, end + 1, width) if self._counts else ()
        last = edges[-1] if edges else 0
        return tuple(
            Bucket(least=edge, most=self._max if edge == last else edge + width - 1, count=counts[edge])
            for edge in edges
        )

    def _percentile(self, share: float) -> int:
        """Return the smallest value that is not exceeded by this share of all."""
        wanted, seen = math.ceil(self._counts.total() * share), 0
        for value in sorted(self._counts):
            seen += self._counts[value]
            if seen >= wanted:
                return max(value, self._min or 0)
        return 0


def _round_width(width: float) -> int:
    """Return the next of 1, 2, 5, 10, 20, 50, …"""
    power: int = 10 ** max(0, math.ceil(math.log10(width)) - 1)
    return next(size * power for size in (1, 2, 5, 10) if size * power >= width)


def _text(message: Message) -> str:
    calls = (json.dumps(call.as_dict(), ensure_ascii=False, default=str) for call in message.tool_calls or ())
    return "".join((message.reasoning_content or "", message.text, *calls))
