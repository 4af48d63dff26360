"""The time: aware datetimes in UTC, and epoch seconds where files and wires want numbers."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

TOLERANCE = timedelta(seconds=2)
"""By so much a good clock is corrected now and then, without anything having been booked wrongly."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def now_after(*earlier: datetime | None) -> datetime:
    """Now; where the clock has been put back, the latest of what it said before: nothing ends before it began."""
    return max([utc_now(), *(moment for moment in earlier if moment is not None)])


class ClockStepDetector:
    """Notices that the clock was set while this process runs: by NTP soon after a boot, or by hand."""

    def __init__(self, now: Callable[[], datetime], uptime: Callable[[], float]) -> None:
        """`uptime`: seconds by a clock that nobody sets, and that does not stop while the machine sleeps."""
        self._now = now
        self._uptime = uptime
        self._boot = self._seen()

    def put_back(self) -> timedelta:
        """How far it was put back since the last call; zero for less than TOLERANCE, and when it was put forward."""
        before, self._boot = self._boot, self._seen()
        return max(before - self._boot, timedelta()) if before - self._boot > TOLERANCE else timedelta()

    def _seen(self) -> datetime:
        """When the machine was booted, by the clock as it is."""
        return self._now() - timedelta(seconds=self._uptime())


def epoch_now() -> float:
    """Seconds since 1970-01-01 UTC."""
    return time.time()


def from_epoch(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
