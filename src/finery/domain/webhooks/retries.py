"""The schedule by which a failed message is tried again."""

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
"""How long to wait after the first attempt, which is made at once, and after each further one."""
JITTER = 0.2
LONGEST = timedelta(hours=24)
"""The longest Retry-After of a receiver that is honoured."""
FURTHEST = max(DELAYS[-1] * (1 + JITTER), LONGEST)
"""While the clock is right, no attempt is scheduled further ahead."""


def delay_after(failures: int, retry_after: float | None, draw: Callable[[], float]) -> timedelta | None:
    """Return how long to wait after so many failures, or None to give up. `retry_after` is in seconds.

    `draw` returns random numbers from 0 to 1: up to a fifth is added to the delay, so that messages that failed
    together are not all tried again together.
    """
    if failures > len(DELAYS):
        return None
    delay = DELAYS[failures - 1] * (1 + JITTER * draw())
    return max(delay, min(timedelta(seconds=retry_after or 0.0), LONGEST))
