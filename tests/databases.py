"""The databases that the suite runs on: SQLite always, PostgreSQL and MariaDB where they answer.

FINERY_TEST_DATABASES (`sqlite,postgres,mysql`) chooses; a database that is named there and does not answer fails.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

import finery.models  # noqa: F401 - its tables
from finery.db import Base

FIXTURES = ("database", "empty_database")
"""Those that have a variant for each kind of database."""
DEFAULT_URLS = {
    "postgres": "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
    "mysql": "mysql+pymysql://root@127.0.0.1:3306/test",
}


@cache
def wanted() -> list[str]:
    named = os.environ.get("FINERY_TEST_DATABASES")
    if named:
        return [name.strip() for name in named.split(",") if name.strip()]
    return ["sqlite", *(name for name in DEFAULT_URLS if answers(name))]


def of(item: pytest.Item) -> str | None:
    """The database that a test is one variant for, where it has variants."""
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return next((parameters[name] for name in FIXTURES if name in parameters), None)


def answers(name: str) -> bool:
    engine = create_engine(base_url(name))
    try:
        engine.connect().close()
    except (SQLAlchemyError, ImportError):
        return False
    finally:
        engine.dispose()
    return True


def base_url(name: str) -> URL:
    return make_url(os.environ.get(f"FINERY_TEST_{name.upper()}_URL") or DEFAULT_URLS[name])


@dataclass(frozen=True)
class Scratch:
    """A database of our own on a server, for one test process."""

    name: str
    url: URL

    def create(self) -> None:
        self._administer(f"CREATE DATABASE {self.url.database}")

    def drop(self) -> None:
        force = " WITH (FORCE)" if self.name == "postgres" else ""
        self._administer(f"DROP DATABASE IF EXISTS {self.url.database}{force}")

    def _administer(self, statement: str) -> None:
        engine = create_engine(base_url(self.name), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


def scratch(name: str, suffix: str) -> Scratch:
    return Scratch(name, base_url(name).set(database=f"finery_test_{suffix}"))


def empty_at(url: str) -> None:
    engine = create_engine(url)
    empty(engine)
    engine.dispose()


def empty(engine: Engine) -> None:
    """All rows gone, and keys counted from 1 again.

    Rows are deleted: to truncate every table takes ten times as long.
    """
    with engine.begin() as connection:
        _EMPTIERS[connection.dialect.name](connection)


def _tables() -> list[str]:
    """Those that refer to others come first."""
    return [table.name for table in reversed(Base.metadata.sorted_tables)]


def _empty_postgres(connection: Connection) -> None:
    connection.execute(text("SET LOCAL lock_timeout = '20s'"))
    connection.execute(text("SET LOCAL synchronous_commit = off"))
    for table in _tables():
        connection.execute(text(f"DELETE FROM {table}"))
    used = "SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences WHERE last_value IS NOT NULL"
    for sequence in connection.scalars(text(used)).all():
        connection.execute(text(f"ALTER SEQUENCE {sequence} RESTART"))


def _empty_mysql(connection: Connection) -> None:
    connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
    for table in _tables():
        connection.execute(text(f"DELETE FROM {table}"))
    used = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND auto_increment > 1"
    for table in connection.scalars(text(used)).all():
        connection.execute(text(f"ALTER TABLE {table} AUTO_INCREMENT = 1"))
    connection.execute(text("SET FOREIGN_KEY_CHECKS = 1"))


_EMPTIERS: dict[str, Callable[[Connection], None]] = {
    "postgresql": _empty_postgres,
    "mysql": _empty_mysql,
    "mariadb": _empty_mysql,
}
