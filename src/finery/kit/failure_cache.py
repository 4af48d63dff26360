"""Remembers recent failures by key, with growing pauses, so that not every request tries the same again at once."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FIRST_SECONDS, MOST_SECONDS = 5.0, 60.0
"""Pause after a failure that may pass; it doubles each time."""
LASTING_SECONDS = 600.0
"""Pause after a lasting failure."""
MOST_KEPT = 1000


@dataclass(frozen=True)
class Failure:
    reason: str
    is_lasting: bool
    """Whether another try would probably fail in the same way."""
    seconds: float
    """Seconds until it may be tried again."""


@dataclass(frozen=True)
class _Entry:
    reason: str
    is_lasting: bool
    until: float
    pause: float


class FailureCache:
    """Failures by key; thread-safe. The oldest are dropped first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def note(self, key: str, reason: str, *, is_lasting: bool) -> None:
        with self._lock:
            before = self._entries.pop(key, None)
            again = FIRST_SECONDS if before is None else min(MOST_SECONDS, 2 * before.pause)
            until = self._clock() + (LASTING_SECONDS if is_lasting else again)
            self._entries[key] = _Entry(reason, is_lasting, until, again)
            while len(self._entries) > MOST_KEPT:
                self._entries.popitem(last=False)

    def find(self, key: str) -> Failure | None:
        """Returns the last failure; None if it may be tried, for the first time or again."""
        with self._lock:
            entry, now = self._entries.get(key), self._clock()
        if entry is None or now >= entry.until:
            return None
        return Failure(entry.reason, entry.is_lasting, entry.until - now)

    def forget(self, key: str) -> None:
        """Drops the failure after a success."""
        with self._lock:
            self._entries.pop(key, None)
