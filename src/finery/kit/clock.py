"""The time: aware datetimes in UTC, and epoch seconds where files and wires want numbers."""

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    return datetime.now(UTC)


def epoch_now() -> float:
    """Seconds since 1970-01-01 UTC."""
    return time.time()


def from_epoch(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
