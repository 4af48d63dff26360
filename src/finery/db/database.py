"""One database, opened the way each kind wants it."""

import json
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, Dialect, ExceptionContext, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_SECONDS = 30
_to_json = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode
"""Refuses NaN and infinities, which the databases' JSON does not know; made once, since it is used for each value."""
_QUOTED_VALUE = re.compile(r"(entry|value:?) '.*' (for (?:key|column|function))", re.DOTALL)
"""Where MariaDB and MySQL quote a row's value: it may hold quotes itself, so the last one ends it."""


class Database:
    """Sessions that read and sessions that write.

    SQLite: write-ahead log, and each writing transaction begins IMMEDIATE, since one that reads first and then
    writes fails at once when another writer came between, whatever the time-out. The others run at READ COMMITTED,
    so that what a concurrent request committed is seen after a unique index has spoken.
    """

    def __init__(self, url: str, *, home: Path) -> None:
        self.url = _locate(make_url(url), home)
        self.engine = _create_engine(self.url)
        self._commits = 0
        self._counting = threading.Lock()
        self._writer = sessionmaker(self.engine.execution_options(writing=True), expire_on_commit=False)
        self._reader = sessionmaker(self.engine, expire_on_commit=False)

    @property
    def file(self) -> Path | None:
        """Where an SQLite database lies."""
        is_file = self.url.get_backend_name() == "sqlite" and self.url.database not in (None, ":memory:")
        return Path(str(self.url.database)) if is_file else None

    @property
    def commits(self) -> int:
        """How often this process has committed: what was read holds while it is as it was before the reading."""
        return self._commits

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that is committed at the end of the block, and rolled back when it raises."""
        try:
            with self._writer.begin() as session:
                yield session
        finally:
            # Also after an error: the commit itself may have failed on the way back.
            with self._counting:
                self._commits += 1

    @contextmanager
    def read(self) -> Iterator[Session]:
        with self._reader() as session:
            yield session

    def dispose(self) -> None:
        self.engine.dispose()


def _locate(url: URL, home: Path) -> URL:
    """SQLite files are relative to home; plain `postgresql` and `mysql` URLs get the drivers that we ship."""
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
        event.listen(engine, "begin", _begin_sqlite)
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
    return engine


def _hide_values(context: ExceptionContext) -> None:
    """A driver's own words may quote a row, and errors are logged: what is left names the constraint or column."""
    error, told = context.original_exception, context.sqlalchemy_exception
    if told is None or not isinstance(error, context.dialect.loaded_dbapi.Error):
        return
    before = str(error)
    error.args = _HIDERS[context.dialect.name](error)
    told.args = (str(told.args[0]).replace(before, str(error)), *told.args[1:])


def _without_details(error: Any) -> tuple[Any, ...]:
    """DETAIL and CONTEXT follow the first line. Errors of connecting have no such parts."""
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
    """A new database is its owner's alone, whatever the umask: it holds hashes and addresses, and SQLite gives its mode
    to the write-ahead log.

    Made without being opened: closing a file gives up all locks that this process holds on it.
    """
    if words[0] != ":memory:":
        # Whatever else is wrong with the path, SQLite says when it opens it.
        with suppress(OSError):
            os.mknod(words[0], stat.S_IFREG | 0o600)


def _prepare_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    raw: Any = connection
    raw.isolation_level = None
    cursor = raw.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_SECONDS * 1000}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
