"""The databases that the suite runs on: SQLite always, PostgreSQL and MariaDB where they answer.

FINERY_TEST_DATABASES (`sqlite,postgres,mysql`) chooses; a database that is named there and does not answer fails.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

DEFAULT_URLS = {
    "postgres": "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
    "mysql": "mysql+pymysql://root@127.0.0.1:3306/test",
}
CHANGED = "alembic_version"


@cache
def wanted() -> list[str]:
    named = os.environ.get("FINERY_TEST_DATABASES")
    if named:
        return [name.strip() for name in named.split(",") if name.strip()]
    return ["sqlite", *(name for name in DEFAULT_URLS if answers(name))]


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


def empty(engine: Engine) -> None:
    """All rows gone, and keys counted from 1 again."""
    with engine.begin() as connection:
        tables = [table for table in inspect(connection).get_table_names() if table != CHANGED]
        _EMPTIERS[connection.dialect.name](connection, tables)


def _empty_postgres(connection: Connection, tables: list[str]) -> None:
    connection.execute(text("SET LOCAL lock_timeout = '20s'"))
    connection.execute(text(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE"))


def _empty_mysql(connection: Connection, tables: list[str]) -> None:
    connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
    for table in tables:
        connection.execute(text(f"TRUNCATE TABLE {table}"))
    connection.execute(text("SET FOREIGN_KEY_CHECKS = 1"))


_EMPTIERS: dict[str, Callable[[Connection, list[str]], None]] = {
    "postgresql": _empty_postgres,
    "mysql": _empty_mysql,
    "mariadb": _empty_mysql,
}
