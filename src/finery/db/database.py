"""Opens a database with the settings of its kind, and gives out sessions that read or write."""

import errno
import json
import os
import re
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, Dialect, ExceptionContext, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import TimeoutError as DatabaseTimeout
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from finery.contracts.layout import HomeDirectory
from finery.db.after_transaction import AFTER_TRANSACTION, AfterTransaction, carry_out
from finery.db.topics import TOPICS, UNKNOWN, note_executed, note_flushed
from finery.kit.disk_reserve import DiskReserve
from finery.kit.fair_semaphore import FairSemaphore, Permit

BUSY_SECONDS = 30
TURN_SECONDS = 20.0
"""How long a transaction that writes may wait until it can begin."""
WRITERS = 8
"""How many transactions write at once where the database allows it. More would only wait for each other's rows, each
with a thread and a connection of its own."""
LOCK_SECONDS = 10
"""How long a statement may wait for a row that another transaction has locked."""
IDLE_SECONDS = 60
"""After so long without a statement the database ends a transaction: its owner hangs, and holds locks."""
_RESERVE = "disk_reserve"
"""The key in a session's `info` for the disk space that is reserved."""
_to_json = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode
"""Refuses NaN and infinities, which JSON in databases cannot hold. It is created once, since each value uses it."""
_QUOTED_VALUE = re.compile(r"(entry|value:?) '.*' (for (?:key|column|function))", re.DOTALL)
"""Where MariaDB and MySQL quote a row's value; it may have quotes itself, so that the last one ends it."""


class _ThreadsTransaction(threading.local):
    """The permit of this thread's transaction that writes, from its first statement to its end."""

    is_open: bool = False
    permit: Permit | None = None


class Database:
    """Gives out sessions that read and sessions that write.

    SQLite has a write-ahead log, and each transaction that writes begins IMMEDIATE: one that reads first and then
    writes would fail at once when another writer came in between, whatever the timeout. The others run at READ
    COMMITTED, so that after a unique index was violated the concurrent row can be read.

    Writers take turns in the order of their arrival: one at a time on SQLite, whose own lock is polled and may starve
    some, and WRITERS at a time elsewhere. A transaction begins and ends in one thread, so that none waits with its
    permit for a thread that others occupy while they wait for the permit.
    """

    def __init__(self, url: str, *, home: Path) -> None:
        self.url = _locate(make_url(url), home)
        self.engine = _create_engine(self.url)
        self._commits = 0
        self._commits_of: Counter[str] = Counter()
        self._counting = threading.Lock()
        self.writers = 1 if self.url.get_backend_name() == "sqlite" else WRITERS
        """How many transactions may write at once."""
        self._turns = FairSemaphore(self.writers)
        self._thread = _ThreadsTransaction()
        event.listen(self.engine, "begin", self._take_turn)
        if self.url.get_backend_name() == "sqlite":
            # The order matters: whoever waits for a turn has no lock yet.
            event.listen(self.engine, "begin", _begin_sqlite)
        self.reserve = DiskReserve(HomeDirectory(home).reserve)
        self._writer = sessionmaker(
            self.engine.execution_options(writing=True), expire_on_commit=False, info={_RESERVE: self.reserve}
        )
        self._reader = sessionmaker(self.engine, expire_on_commit=False)
        event.listen(self._writer, "after_flush", note_flushed)
        event.listen(self._writer, "do_orm_execute", note_executed)
        self._listeners: list[Callable[[frozenset[str] | None], None]] = []
        self._checks: list[Callable[[Session], None]] = []

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database; None for others."""
        is_file = self.url.get_backend_name() == "sqlite" and self.url.database not in (None, ":memory:")
        return Path(str(self.url.database)) if is_file else None

    def commits(self, tables: frozenset[str] | None = None) -> int:
        """Return how often this process has committed, or has written to one of `tables`.

        What was read of these tables is valid while the number is what it was before the query.
        `Session.bulk_insert_mappings` counts for no table.
        """
        if tables is None:
            return self._commits
        return self._commits_of[UNKNOWN] + sum(self._commits_of[table] for table in tables)

    def before_commit(self, check: Callable[[Session], None]) -> None:
        """Have `check` called at the end of each transaction that writes; what it raises rolls that back."""
        self._checks.append(check)

    def on_commit(self, listener: Callable[[frozenset[str] | None], None]) -> None:
        """Have `listener` called after each commit, in its thread, with the topics of what was committed; None: all."""
        self._listeners.append(listener)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Yield a session whose transaction is committed at the end of the block, and rolled back when it raises.

        The transaction begins with the first statement, which waits for its turn. Raises sqlalchemy's TimeoutError when
        that does not come within TURN_SECONDS, and RuntimeError inside another such block of this thread, which would
        wait for itself.
        """
        if self._thread.is_open:
            raise RuntimeError("a transaction that writes was begun inside of another one of the same thread")
        self._thread.is_open = True
        topics: set[str] = set()
        endings = AfterTransaction()
        behind = endings.rolled_back
        try:
            with self._writer(info={TOPICS: topics, AFTER_TRANSACTION: endings}) as session, session.begin():
                yield session
                for check in self._checks:
                    check(session)
            behind = endings.committed
        finally:
            self._thread.is_open = False
            self._give_turn_back()
            # Also after an error: the commit may have succeeded and its answer been lost.
            with self._counting:
                self._commits += 1
                self._commits_of.update(topics)
            carry_out(behind)
        for listener in self._listeners:
            listener(None if UNKNOWN in topics else frozenset(topics))

    @contextmanager
    def read(self) -> Iterator[Session]:
        with self._reader() as session:
            yield session

    @property
    def longest_write(self) -> float:
        """For how many seconds the oldest transaction that writes has been running; 0 when there is none."""
        return self._turns.longest_held()

    def dispose(self) -> None:
        self.engine.dispose()

    def _take_turn(self, connection: Connection) -> None:
        # Migrations begin without `write`, when there are no other writers yet.
        if not self._thread.is_open or not connection.get_execution_options().get("writing", False):
            return
        self._thread.permit = self._turns.acquire(TURN_SECONDS)
        if self._thread.permit is None:
            raise DatabaseTimeout(f"for {TURN_SECONDS:g} seconds other transactions were before this one")

    def _give_turn_back(self) -> None:
        permit, self._thread.permit = self._thread.permit, None
        if permit is not None:
            self._turns.release(permit)


def make_room(session: Session) -> None:
    """Release the reserved disk space on a full disk, so that this transaction can be written.

    It is for what frees space: a cancel, a run's end, a deletion.
    """
    reserve: DiskReserve | None = session.info.get(_RESERVE)
    if reserve is not None:
        reserve.give_up_if_short()


def keep_room(session: Session) -> None:
    """Refuse to add rows while the reserve is released, which is for what frees space. Raises OSError (ENOSPC)."""
    reserve: DiskReserve | None = session.info.get(_RESERVE)
    if reserve is not None and reserve.is_spent():
        raise OSError(errno.ENOSPC, "what is left of the disk is kept for what ends or removes something")


@contextmanager
def read_beside_write(session: Session) -> Iterator[Session]:
    """Yield a session that ends with the block.

    The caller's transaction, and with it SQLite's only write lock, should not begin before something that takes long.
    The caller must find out what changes between this session and that transaction.
    """
    with Session(session.get_bind().execution_options(writing=False)) as reading:
        yield reading


def _locate(url: URL, home: Path) -> URL:
    """Resolve an SQLite file against the home, and add our drivers to plain `postgresql` and `mysql` URLs."""
    name = url.get_backend_name()
    if name == "sqlite" and url.database and url.database != ":memory:":
        return url.set(database=str(home / url.database))
    if url.drivername == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.drivername in ("mysql", "mariadb"):
        return url.set(drivername=f"{url.drivername}+pymysql")
    return url


def _create_engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            connect_args={"timeout": BUSY_SECONDS},
            pool_size=20,
            max_overflow=40,
            hide_parameters=True,
            json_serializer=_to_json,
            json_deserializer=msgspec.json.decode,
        )
        event.listen(engine, "do_connect", _make_private)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    engine = create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=20,
        max_overflow=40,
        pool_timeout=BUSY_SECONDS,
        hide_parameters=True,
        json_serializer=_to_json,
        json_deserializer=msgspec.json.decode,
    )
    event.listen(engine, "handle_error", _hide_values)
    event.listen(engine, "connect", _LIMITERS[url.get_backend_name()])
    return engine


def _limit_postgres(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    _execute_all(
        connection,
        f"SET lock_timeout = '{LOCK_SECONDS}s'",
        f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'",
    )


def _limit_mysql(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    _execute_all(connection, f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS}")
    raw: Any = connection
    if "MariaDB" in raw.get_server_info():
        # MySQL has no such setting.
        _execute_all(connection, f"SET SESSION idle_transaction_timeout = {IDLE_SECONDS}")


_LIMITERS: dict[str, Callable[[DBAPIConnection, ConnectionPoolEntry], None]] = {
    "postgresql": _limit_postgres,
    "mysql": _limit_mysql,
    "mariadb": _limit_mysql,
}


def _execute_all(connection: DBAPIConnection, *statements: str) -> None:
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    cursor.close()
    # Settings from a transaction that is rolled back would be lost.
    connection.commit()


def _hide_values(context: ExceptionContext) -> None:
    """Remove a row's values from a driver's message, since errors are logged; the constraint or column stays."""
    error, wrapper = context.original_exception, context.sqlalchemy_exception
    if wrapper is None or not isinstance(error, context.dialect.loaded_dbapi.Error):
        return
    before = str(error)
    error.args = _HIDERS[context.dialect.name](error)
    wrapper.args = (str(wrapper.args[0]).replace(before, str(error)), *wrapper.args[1:])


def _without_details(error: Any) -> tuple[Any, ...]:
    # DETAIL and CONTEXT follow the first line. Errors of connecting have no such parts.
    primary = error.diag.message_primary
    return error.args if primary is None else (primary,)


def _without_quotes(error: Any) -> tuple[Any, ...]:
    return tuple(_QUOTED_VALUE.sub(r"\1 \2", part) if isinstance(part, str) else part for part in error.args)


_HIDERS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "postgresql": _without_details,
    "mysql": _without_quotes,
    "mariadb": _without_quotes,
}


def _make_private(_dialect: Dialect, _record: ConnectionPoolEntry | None, words: list[Any], _options: Any) -> None:
    """Create a new database file that only its owner can read, whatever the umask, since it holds hashes and addresses.

    SQLite gives the file's mode to the write-ahead log. The file is created without being opened: closing it would
    release all locks that this process has on it.
    """
    if words[0] != ":memory:":
        # SQLite itself reports what is wrong with the path when it opens it.
        with suppress(OSError):
            os.mknod(words[0], stat.S_IFREG | 0o600)


def _prepare_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    raw: Any = connection
    raw.isolation_level = None
    pragmas = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_SECONDS * 1000}")
    _execute_all(connection, *(f"PRAGMA {pragma}" for pragma in pragmas))


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
