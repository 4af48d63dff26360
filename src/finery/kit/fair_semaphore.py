"""A semaphore for threads that is first come, first served."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field


@dataclass(eq=False)
class Permit:
    """A permit that a thread holds or waits for."""

    granted: threading.Event = field(default_factory=threading.Event)
    since: float = 0.0
    """When it was granted, by the monotonic clock."""


class FairSemaphore:
    """Lets `permits` threads in at a time, first come, first served.

    `threading.Semaphore` guarantees no order: in a burst, some waiters would be overtaken again and again.
    """

    def __init__(self, permits: int) -> None:
        self._free = permits
        self._lock = threading.Lock()
        self._waiting: deque[Permit] = deque()
        self._held: set[Permit] = set()

    def acquire(self, timeout: float) -> Permit | None:
        """Waits at most `timeout` seconds for a permit, which must be released; None if the time is over."""
        permit = Permit()
        with self._lock:
            if self._free and not self._waiting:
                self._free -= 1
                return self._grant(permit)
            self._waiting.append(permit)
        if permit.granted.wait(timeout):
            return permit
        with self._lock:
            # It may have been granted between the end of the wait and the lock.
            if permit.granted.is_set():
                return permit
            self._waiting.remove(permit)
            return None

    def release(self, permit: Permit) -> None:
        """Passes the permit on to the thread that has waited longest."""
        with self._lock:
            self._held.remove(permit)
            if self._waiting:
                self._grant(self._waiting.popleft())
            else:
                self._free += 1

    @property
    def waiting(self) -> int:
        """Number of threads that wait for a permit."""
        return len(self._waiting)

    def longest_held(self) -> float:
        """Returns for how many seconds the oldest permit has been held; 0 if none is."""
        with self._lock:
            return max((time.monotonic() - permit.since for permit in self._held), default=0.0)

    def _grant(self, permit: Permit) -> Permit:
        permit.since = time.monotonic()
        self._held.add(permit)
        permit.granted.set()
        return permit
