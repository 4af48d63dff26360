"""One database, opened the way each kind wants it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_SECONDS = 30
_to_json = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode
"""Refuses NaN and infinities, which the databases' JSON does not know; made once, since it is used for each value."""


class Database:
    """Sessions that read and sessions that write.

    SQLite: write-ahead log, and each writing transaction begins IMMEDIATE, since one that reads first and then
    writes fails at once when another writer came between, whatever the time-out. The others run at READ COMMITTED,
    so that what a concurrent request committed is seen after a unique index has spoken.
    """

    def __init__(self, url: str, *, home: Path) -> None:
        self.url = _locate(make_url(url), home)
        self.engine = _create_engine(self.url)
        self._writer = sessionmaker(self.engine.execution_options(writing=True), expire_on_commit=False)
        self._reader = sessionmaker(self.engine, expire_on_commit=False)

    @property
    def file(self) -> Path | None:
        """Where an SQLite database lies."""
        is_file = self.url.get_backend_name() == "sqlite" and self.url.database not in (None, ":memory:")
        return Path(str(self.url.database)) if is_file else None

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that is committed at the end of the block, and rolled back when it raises."""
        with self._writer.begin() as session:
            yield session

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
            json_serializer=_to_json,
            json_deserializer=msgspec.json.decode,
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=20,
        max_overflow=40,
        pool_timeout=BUSY_SECONDS,
        json_serializer=_to_json,
        json_deserializer=msgspec.json.decode,
    )


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
