"""A semaphore for threads that serves them in the order in which they came."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field


@dataclass(eq=False)
class Permit:
    """What a thread holds, or waits for."""

    granted: threading.Event = field(default_factory=threading.Event)
    since: float = 0.0
    """When it was granted, by the monotonic clock."""


class FairSemaphore:
    """Lets `permits` threads in at a time, first come, first served.

    `threading.Semaphore` promises no order: under a burst, some waiters would be passed again and again.
    """

    def __init__(self, permits: int) -> None:
        self._free = permits
        self._lock = threading.Lock()
        self._waiting: deque[Permit] = deque()
        self._held: set[Permit] = set()

    def acquire(self, timeout: float) -> Permit | None:
        """Wait at most `timeout` seconds for a permit, which is to be released; None when the time was up."""
        permit = Permit()
        with self._lock:
            if self._free and not self._waiting:
                self._free -= 1
                return self._grant(permit)
            self._waiting.append(permit)
        if permit.granted.wait(timeout):
            return permit
        with self._lock:
            # It may have been granted between the end of the wait and this line.
            if permit.granted.is_set():
                return permit
            self._waiting.remove(permit)
            return None

    def release(self, permit: Permit) -> None:
        """Hand the permit on to whoever has waited longest."""
        with self._lock:
            self._held.remove(permit)
            if self._waiting:
                self._grant(self._waiting.popleft())
            else:
                self._free += 1

    @property
    def waiting(self) -> int:
        """How many threads wait for a permit."""
        return len(self._waiting)

    def longest_held(self) -> float:
        """For how many seconds the oldest holder has had its permit; 0 when nobody holds one."""
        with self._lock:
            return max((time.monotonic() - permit.since for permit in self._held), default=0.0)

    def _grant(self, permit: Permit) -> Permit:
        permit.since = time.monotonic()
        self._held.add(permit)
        permit.granted.set()
        return permit
