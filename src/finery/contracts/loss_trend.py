"""Whether a training's loss falls: asked while it goes on, and when it has ended."""

import math
from collections.abc import Sequence
from statistics import mean, variance

FEWEST_LOSSES = 6
"""Fewer logged losses tell of no direction."""
LEAST_FALL = 0.005
"""The share by which the mean loss must have fallen between the first and the last third."""
MOST_NOISE = 0.02
"""The share of the loss below which two standard errors of that fall must be: else it may have fallen unseen."""
LEARNED = 0.05
"""A loss below which there is nothing left to learn: a falling one is not expected."""


def mean_losses_unless_fallen(losses: Sequence[float]) -> tuple[float, float] | None:
    """Return the mean loss of the first and of the last third where it stayed or rose, or None."""
    third = len(losses) // 3
    parts = losses[:third], losses[-third:]
    first, last = map(mean, parts)
    two_errors = 2 * math.sqrt(sum(map(variance, parts)) / third)
    is_flat = first - last < LEAST_FALL * first and two_errors < MOST_NOISE * first
    has_risen = last - first > two_errors
    return None if first < LEARNED or not (is_flat or has_risen) else (first, last)
