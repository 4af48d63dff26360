"""What goes wrong in pass after pass is logged once, and once more when it is over."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.exc import InterfaceError, OperationalError

from finery.executors.base import Unreachable
from finery.kit.shortages import is_shortage

REMIND_SECONDS = 600.0
"""After which what still goes wrong is logged once more."""


@dataclass
class _Trouble:
    words: str
    since: float
    logged_at: float
    count: int = 1


class FailureLog:
    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._troubles: dict[str, _Trouble] = {}

    def failed(self, what: str, error: Exception) -> int:
        """Log it unless it is what was logged last; how often in a row `what` has failed."""
        words, now = f"{type(error).__name__}: {error}", self._clock()
        trouble = self._troubles.get(what)
        if trouble is None:
            trouble = self._troubles[what] = _Trouble(words, now, now)
        else:
            trouble.count += 1
            if trouble.words == words and now - trouble.logged_at < REMIND_SECONDS:
                return trouble.count
            trouble.words, trouble.logged_at = words, now
        if _is_foreseen(error):
            self._log.warning("%s: %s; it is tried again", what, _first_line(error))
        else:
            self._log.error("%s failed; it is tried again", what, exc_info=error)
        return trouble.count

    def went_well(self, what: str) -> None:
        trouble = self._troubles.pop(what, None)
        if trouble is not None:
            seconds = self._clock() - trouble.since
            self._log.info("%s: well again after %.0f s and %d failures", what, seconds, trouble.count)


def _is_foreseen(error: Exception) -> bool:
    """What the machine, the database's server or a cluster lacks: one line says it all, a trace nothing more."""
    return isinstance(error, Unreachable | OperationalError | InterfaceError) or is_shortage(error)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
