"""Which things are in use, and for how long the others have not been, for all threads of this process."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from finery.kit.clock import utc_now


@dataclass
class _Thing:
    since: float
    """When it was last used or first heard of, on the monotonic clock."""
    users: int = 0
    is_retired: bool = False
    used_at: datetime | None = None
    """Not told yet."""


class UsageTracker:
    """A thing is retired only while nobody uses it, and nobody begins to use what is retired: one lock sees to both."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._things: dict[str, _Thing] = {}

    def begin(self, key: str) -> bool:
        """False for what is retired; else `end` has to follow."""
        return self._use(key, users=1)

    def touch(self, key: str) -> bool:
        """Used in this moment. False for what is retired."""
        return self._use(key, users=0)

    def end(self, key: str) -> None:
        with self._lock:
            thing = self._things.get(key)
            if thing is not None:
                thing.users -= 1
                thing.since, thing.used_at = self._clock(), utc_now()

    def idle_seconds(self, key: str) -> float:
        """0 while somebody uses it. What was never heard of is idle from now on."""
        with self._lock:
            thing = self._thing(key)
            return 0.0 if thing.users else self._clock() - thing.since

    def retire(self, key: str, idle_seconds: float) -> bool:
        """Let nobody begin to use it any more; False when it has not been idle for so long."""
        with self._lock:
            thing = self._thing(key)
            if not thing.is_retired and (thing.users or self._clock() - thing.since < idle_seconds):
                return False
            thing.is_retired = True
            return True

    def revive(self, key: str) -> None:
        with self._lock:
            self._thing(key).is_retired = False

    def forget(self, key: str) -> None:
        with self._lock:
            self._things.pop(key, None)

    def take_uses(self) -> dict[str, datetime]:
        """When what was used since the last call was used last."""
        with self._lock:
            used = {key: thing.used_at for key, thing in self._things.items() if thing.used_at is not None}
            for key in used:
                self._things[key].used_at = None
        return used

    def _use(self, key: str, *, users: int) -> bool:
        with self._lock:
            thing = self._thing(key)
            if thing.is_retired:
                return False
            thing.users += users
            thing.since, thing.used_at = self._clock(), utc_now()
            return True

    def _thing(self, key: str) -> _Thing:
        return self._things.setdefault(key, _Thing(self._clock()))
