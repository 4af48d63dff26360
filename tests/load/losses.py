"""Ways in which a database is lost for a while."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from tests.databases import base_url

KILL_SECONDS = 0.02
"""Between two looks for connections."""


@contextmanager
def _of_postgres(url: URL, _: Path) -> Iterator[None]:
    """All connections are ended, and no new one is let in."""
    with _administrator("postgres") as connection:
        try:
            connection.execute(text(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false"))
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
                {"name": url.database},
            )
            yield
        finally:
            connection.execute(text(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true"))


@contextmanager
def _of_mysql(url: URL, _: Path) -> Iterator[None]:
    """Connections are killed as fast as they come: it has no way to shut one database."""
    over = threading.Event()
    with _administrator("mysql") as connection:
        killing = threading.Thread(target=_kill_all, args=(connection, str(url.database), over))
        killing.start()
        try:
            yield
        finally:
            over.set()
            killing.join()


def _kill_all(connection: Connection, name: str, over: threading.Event) -> None:
    listing = text("SELECT id FROM information_schema.processlist WHERE db = :name")
    while not over.wait(KILL_SECONDS):
        for number in connection.scalars(listing, {"name": name}).all():
            # It may have gone by itself.
            with suppress(OperationalError):
                connection.execute(text(f"KILL {number}"))


@contextmanager
def _of_sqlite(_: URL, home: Path) -> Iterator[None]:
    """Somebody else holds the write lock."""
    connection = sqlite3.connect(home / "training.db", timeout=30.0, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


LOSSES: dict[str, Callable[[URL, Path], AbstractContextManager[None]]] = {
    "postgres": _of_postgres,
    "mysql": _of_mysql,
    "sqlite": _of_sqlite,
}


@contextmanager
def lost(kind: str, url: URL, home: Path) -> Iterator[None]:
    """Inside of the block, nothing can be written to the database at `url`."""
    with LOSSES[kind](url, home):
        yield


@contextmanager
def _administrator(kind: str) -> Iterator[Connection]:
    engine = create_engine(base_url(kind), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
