"""What failed just now, so that it is not tried again at once, and by everybody."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FIRST_SECONDS, MOST_SECONDS = 5.0, 60.0
"""Of what another try may mend: twice as long each time."""
LASTING_SECONDS = 600.0
MOST_KEPT = 1000


@dataclass(frozen=True)
class Failure:
    reason: str
    is_lasting: bool
    """Whether another try would fail the same way, as far as can be told."""
    seconds: float
    """Until it may be tried again."""


@dataclass(frozen=True)
class _Noted:
    reason: str
    is_lasting: bool
    until: float
    pause: float


class FailureCache:
    """For all threads of this process. What was noted last is kept longest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._noted: OrderedDict[str, _Noted] = OrderedDict()

    def note(self, key: str, reason: str, *, is_lasting: bool) -> None:
        with self._lock:
            before = self._noted.pop(key, None)
            again = FIRST_SECONDS if before is None else min(MOST_SECONDS, 2 * before.pause)
            self._noted[key] = _Noted(
                reason, is_lasting, self._clock() + (LASTING_SECONDS if is_lasting else again), again
            )
            while len(self._noted) > MOST_KEPT:
                self._noted.popitem(last=False)

    def find(self, key: str) -> Failure | None:
        """None where it may be tried, for the first time or again."""
        with self._lock:
            noted, now = self._noted.get(key), self._clock()
        if noted is None or now >= noted.until:
            return None
        return Failure(noted.reason, noted.is_lasting, noted.until - now)

    def forget(self, key: str) -> None:
        """It has succeeded."""
        with self._lock:
            self._noted.pop(key, None)
