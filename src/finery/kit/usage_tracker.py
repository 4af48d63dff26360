"""Tracks what is in use and what has been idle for how long, and retires what is idle (deployments, for example)."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from finery.kit.clock import utc_now


@dataclass
class _Usage:
    since: float
    """When it was last used or first seen, on the monotonic clock."""
    users: int = 0
    is_retired: bool = False
    used_at: datetime | None = None
    """The last use that `take_uses` has not returned yet."""


class UsageTracker:
    """Thread-safe. Nothing is retired while it is used, and no use begins after it is retired: one lock guards both."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._usages: dict[str, _Usage] = {}

    def begin(self, key: str) -> bool:
        """Begins a use, which `end` must follow. Returns False if it is retired."""
        return self._use(key, users=1)

    def touch(self, key: str) -> bool:
        """Records a momentary use. Returns False if it is retired."""
        return self._use(key, users=0)

    def end(self, key: str) -> None:
        with self._lock:
            usage = self._usages.get(key)
            if usage is not None:
                usage.users -= 1
                usage.since, usage.used_at = self._clock(), utc_now()

    def idle_seconds(self, key: str) -> float:
        """Returns 0 while it is used. An unknown key is idle from now on."""
        with self._lock:
            usage = self._usage(key)
            return 0.0 if usage.users else self._clock() - usage.since

    def retire(self, key: str, idle_seconds: float) -> bool:
        """Refuses uses from now on. Returns False if it has not been idle for `idle_seconds`."""
        with self._lock:
            usage = self._usage(key)
            if not usage.is_retired and (usage.users or self._clock() - usage.since < idle_seconds):
                return False
            usage.is_retired = True
            return True

    def revive(self, key: str) -> None:
        with self._lock:
            self._usage(key).is_retired = False

    def forget(self, key: str) -> None:
        with self._lock:
            self._usages.pop(key, None)

    def take_uses(self) -> dict[str, datetime]:
        """Returns the time of the last use for each key that was used since the last call."""
        with self._lock:
            used = {key: usage.used_at for key, usage in self._usages.items() if usage.used_at is not None}
            for key in used:
                self._usages[key].used_at = None
        return used

    def _use(self, key: str, *, users: int) -> bool:
        with self._lock:
            usage = self._usage(key)
            if usage.is_retired:
                return False
            usage.users += users
            usage.since, usage.used_at = self._clock(), utc_now()
            return True

    def _usage(self, key: str) -> _Usage:
        return self._usages.setdefault(key, _Usage(self._clock()))
