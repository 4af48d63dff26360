"""What is worth a line in the log once, and not for each of a thousand requests that meet the same."""

import threading
import time


class LogThrottle:
    """Says when something may be told again. May be asked from any thread."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due = 0.0
        self._lock = threading.Lock()

    def is_due(self) -> bool:
        """True at first, then not before `seconds` have passed since the last time that it was."""
        with self._lock:
            now = time.monotonic()
            if now < self._due:
                return False
            self._due = now + self._seconds
            return True
