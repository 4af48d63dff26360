"""Current time as aware UTC datetimes and as epoch seconds, and detection of a clock that was set back."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

TOLERANCE = timedelta(seconds=2)
"""Corrections up to this size are normal for a synchronized clock, and ignored."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def now_after(*earlier: datetime | None) -> datetime:
    """Returns the time, or the latest of `earlier` if the clock was set back: nothing may end before it began."""
    return max([utc_now(), *(moment for moment in earlier if moment is not None)])


class ClockStepDetector:
    """Detects that the clock is set while this process runs: by NTP soon after a boot, or by hand."""

    def __init__(self, now: Callable[[], datetime], uptime: Callable[[], float]) -> None:
        """`uptime`: seconds of a clock that cannot be set, and that does not stop while the machine sleeps."""
        self._now = now
        self._uptime = uptime
        self._boot = self._boot_time()

    def backward_step(self) -> timedelta:
        """Returns how far it was set back since the last call; zero up to TOLERANCE, and if it was set forward."""
        before, self._boot = self._boot, self._boot_time()
        return max(before - self._boot, timedelta()) if before - self._boot > TOLERANCE else timedelta()

    def _boot_time(self) -> datetime:
        """Returns when the machine was booted, according to the clock as it is set now."""
        return self._now() - timedelta(seconds=self._uptime())


def epoch_now() -> float:
    """Returns seconds since 1970-01-01 UTC."""
    return time.time()


def from_epoch(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
