"""Configures the server's own log on stderr, with request ids and without repeated warnings."""

import logging
import time
from collections.abc import Callable

from finery.http.request_ids import RequestIdFilter

FORMAT = "%(asctime)s %(levelname)s %(name)s:%(request)s %(message)s"
CLIENTS_LOGGER = "uvicorn.error"
"""uvicorn warns here of requests that it cannot read: anybody can send those without end."""
REPEATED_SECONDS = 60.0
MOST_MESSAGES = 100


def configure_log(level: str) -> None:
    """Call it once, before anything is logged."""
    handler = logging.StreamHandler()
    # The filters are the handler's, so that they see other libraries' lines, too.
    handler.addFilter(RequestIdFilter())
    handler.addFilter(RepetitionFilter())
    logging.basicConfig(level=level.upper(), format=FORMAT, handlers=[handler])
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # It would log a traceback for each lost connection that is given back, though its user got the error already.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)


class RepetitionFilter(logging.Filter):
    """Lets a warning about clients' requests through once a minute, and says then how often it was left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._left_out: dict[str, int] = {}
        self._due: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        # A handler calls its filters under its own lock.
        if record.name != CLIENTS_LOGGER or record.levelno != logging.WARNING:
            return True
        message, now = record.getMessage(), self._clock()
        if now < self._due.get(message, 0.0):
            self._left_out[message] = self._left_out.get(message, 0) + 1
            return False
        if len(self._due) >= MOST_MESSAGES:
            self._due.clear()
            self._left_out.clear()
        self._due[message] = now + REPEATED_SECONDS
        if left_out := self._left_out.pop(message, 0):
            record.msg, record.args = f"{message} ({left_out} more since the last time)", ()
        return True
