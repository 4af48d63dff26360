"""Logs a failure that repeats in pass after pass once, and once more when it is over."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.exc import InterfaceError, OperationalError

from finery.executors.base import Unreachable
from finery.kit.shortages import is_shortage

REMIND_SECONDS = 600.0
"""After so long, a failure that goes on is logged once more."""


@dataclass
class _Failure:
    message: str
    since: float
    logged_at: float
    count: int = 1


class FailureLog:
    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._failures: dict[str, _Failure] = {}

    def failed(self, subject: str, error: Exception) -> int:
        """Log the error unless it was the last one logged of `subject`. Returns how often `subject` failed in a row."""
        message, now = f"{type(error).__name__}: {error}", self._clock()
        failure = self._failures.get(subject)
        if failure is None:
            failure = self._failures[subject] = _Failure(message, now, now)
        else:
            failure.count += 1
            if failure.message == message and now - failure.logged_at < REMIND_SECONDS:
                return failure.count
            failure.message, failure.logged_at = message, now
        # What the machine, the database's server or a cluster lacks takes one line; a trace would add nothing.
        if isinstance(error, Unreachable | OperationalError | InterfaceError) or is_shortage(error):
            self._log.warning("%s: %s; it is tried again", subject, str(error).partition("\n")[0])
        else:
            self._log.error("%s failed; it is tried again", subject, exc_info=error)
        return failure.count

    def went_well(self, subject: str) -> None:
        failure = self._failures.pop(subject, None)
        if failure is not None:
            seconds = self._clock() - failure.since
            self._log.info("%s: well again after %.0f s and %d failures", subject, seconds, failure.count)
