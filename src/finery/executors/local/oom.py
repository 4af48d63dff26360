"""Tells whether the kernel's out-of-memory killer struck just now: a SIGKILL does not say who sent it."""

import time

WINDOW_SECONDS = 10.0
"""A large process takes seconds to vanish after the kernel chose it."""


class OomWatch:
    def __init__(self) -> None:
        self._older = self._newer = _kills()
        self._since = time.monotonic()

    def advance_window(self) -> None:
        """Move the window on; call it now and then while the process lives."""
        if time.monotonic() - self._since >= WINDOW_SECONDS:
            self._older, self._newer = self._newer, _kills()
            self._since = time.monotonic()

    def has_struck(self) -> bool:
        """Returns whether the kernel killed a process for want of memory in the last one or two windows."""
        return _kills() > self._older


def _kills() -> int:
    with open("/proc/vmstat", "rb") as file:
        for line in file:
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
    return 0
