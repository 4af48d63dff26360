"""Limits how often the same message is logged."""

import threading
import time


class LogThrottle:
    """Says when a message may be logged again. Thread-safe."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due = 0.0
        self._lock = threading.Lock()

    def is_due(self) -> bool:
        """Returns True at first, and then at most once every `seconds`."""
        with self._lock:
            now = time.monotonic()
            if now < self._due:
                return False
            self._due = now + self._seconds
            return True
