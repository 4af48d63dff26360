"""Keeps the losses of a run while it is followed, and draws them as a small curve."""

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite

from finery.cli.output import number

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 24
"""Columns of the curve."""
MOST_KEPT = 2048
"""Of the losses between the first and the last; beyond that each second one is dropped."""


class LossCurve:
    def __init__(self) -> None:
        self._losses: list[float] = []
        self._stride = 1
        self._count = 0
        self._last: float | None = None

    def add(self, loss: float | None) -> None:
        """Adds the loss of a step; a step without one, or with one that is no finite number, adds nothing."""
        if loss is None or not isfinite(loss):
            return
        if self._count % self._stride == 0:
            self._losses.append(loss)
        self._count += 1
        self._last = loss
        if len(self._losses) > MOST_KEPT:
            self._losses = self._losses[::2]
            self._stride *= 2

    @property
    def drawn(self) -> str:
        """The curve in block characters, at most WIDTH of them; empty before there are two losses."""
        return sparkline(self._losses, WIDTH) if self._count > 1 else ""

    @property
    def change(self) -> str:
        """For example `2.31 → 0.42`; empty before there are two losses."""
        if self._count < 2 or self._last is None:
            return ""
        return f"{number(self._losses[0])} → {number(self._last)}"


def sparkline(values: Sequence[float], width: int) -> str:
    """Returns one block character for each value, or for the mean of each of `width` equal parts, by its height."""
    count = min(width, len(values))
    edges = [index * len(values) // count for index in range(count + 1)]
    parts = [values[start:end] for start, end in pairwise(edges)]
    means = [sum(part) / len(part) for part in parts]
    low, high = min(means), max(means)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((mean - low) * scale)] for mean in means)
