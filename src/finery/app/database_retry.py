"""Repeats work on the database when the connection drops for a moment while the server starts."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from finery.app.errors import StartRefused
from finery.db import Database

log = logging.getLogger(__name__)

DATABASE_RETRY_SECONDS = 10.0
"""For the whole start, from the first connection that was dropped."""
RETRY_SECONDS = 0.25

Result = TypeVar("Result")


class DatabaseRetry:
    """Repeats work whose connection the database dropped. A database that was never reached is refused at once: that is
    a wrong address or password more often than one that is about to come."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._has_answered = False
        self._give_up_at: float | None = None
        # It comes before SQLAlchemy's own first statement on a new connection, which may fail already.
        event.listen(database.engine, "connect", self._mark_answered, insert=True)

    def run(self, work: Callable[[], Result]) -> Result:
        """Returns what `work` returns, which may be called several times. Raises StartRefused."""
        tries = 1
        while True:
            try:
                result = work()
            except SQLAlchemyError as error:
                if not self._may_wait(error):
                    raise self._refusal(error) from error
            else:
                if tries > 1:
                    log.warning("the database dropped the connection during the start; try %d succeeded", tries)
                return result
            tries += 1
            time.sleep(RETRY_SECONDS)

    def _mark_answered(self, _connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        self._has_answered = True

    def _may_wait(self, error: SQLAlchemyError) -> bool:
        # SQLite itself has waited for its file already.
        is_dropped = isinstance(error, OperationalError | InterfaceError | PoolTimeout)
        if not is_dropped or not self._has_answered or self._database.file is not None:
            return False
        now = time.monotonic()
        if self._give_up_at is None:
            self._give_up_at = now + DATABASE_RETRY_SECONDS
        return now < self._give_up_at

    def _refusal(self, error: SQLAlchemyError) -> StartRefused:
        url = self._database.url.render_as_string(hide_password=True)
        reason = str(error).splitlines()[0]
        waited = "" if self._give_up_at is None else f" (tried for {DATABASE_RETRY_SECONDS:.0f} s)"
        return StartRefused(f"the database {url} cannot be used{waited}: {reason}")
