"""A wake-up call between threads: who waits is told that something changed, never what."""

import threading
from collections.abc import Callable


class Pulse:
    """`notify` after a commit; loops `wait` for it, streams `listen` to it."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0
        self._listeners: set[Callable[[], None]] = set()

    @property
    def count(self) -> int:
        """How often `notify` was called; hand it to `wait` to miss nothing."""
        return self._count

    def notify(self) -> None:
        with self._condition:
            self._count += 1
            self._condition.notify_all()
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def wait(self, seen: int, timeout: float) -> int:
        """Return the count once it differs from `seen`, or after `timeout` seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self._count != seen, timeout)
            return self._count

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` (quick, from any thread) at each pulse; the answer takes it off again."""
        with self._condition:
            self._listeners.add(listener)

        def leave() -> None:
            with self._condition:
                self._listeners.discard(listener)

        return leave
