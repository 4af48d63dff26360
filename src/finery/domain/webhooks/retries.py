"""When a message is tried again."""

from collections.abc import Callable
from datetime import timedelta

DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""After the first attempt, which is made at once, and after each further one."""
JITTER = 0.2
LONGEST = timedelta(hours=24)
"""For which a receiver's Retry-After is honoured."""
FURTHEST = max(DELAYS[-1] * (1 + JITTER), LONGEST)
"""No attempt is booked further ahead by a clock that is right."""


def delay_after(failures: int, retry_after: float | None, draw: Callable[[], float]) -> timedelta | None:
    """How long to wait after so many failures; None: not again.

    `draw` gives numbers from 0 to 1: up to a fifth is added, so that what failed together is not repeated together.
    """
    if failures > len(DELAYS):
        return None
    delay = DELAYS[failures - 1] * (1 + JITTER * draw())
    asked = min(timedelta(seconds=retry_after or 0.0), LONGEST)
    return max(delay, asked)
