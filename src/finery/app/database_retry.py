"""A database that goes away for a moment while the server starts is waited for; one that was never there is not."""

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

Answer = TypeVar("Answer")


class DatabaseRetry:
    """Asks the database again when it drops the connection. What cannot be reached at all is refused at once: that is
    a wrong address or password more often than a database that is about to come."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._has_answered = False
        self._give_up_at: float | None = None
        # Before SQLAlchemy's own look at a new connection, on which it may be dropped already.
        event.listen(database.engine, "connect", self._note_answer, insert=True)

    def ask(self, work: Callable[[], Answer]) -> Answer:
        """What `work` returns; it may be called several times. Raises StartRefused."""
        tries = 1
        while True:
            try:
                answer = work()
            except SQLAlchemyError as error:
                if not self._may_wait(error):
                    raise self._refusal(error) from error
            else:
                if tries > 1:
                    log.warning("the database dropped the connection during the start; try %d succeeded", tries)
                return answer
            tries += 1
            time.sleep(RETRY_SECONDS)

    def _note_answer(self, _connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        self._has_answered = True

    def _may_wait(self, error: SQLAlchemyError) -> bool:
        # An SQLite file has been waited for already, by SQLite itself.
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
