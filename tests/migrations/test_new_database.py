"""A new SQLite database is made without the migrations, and is what they would have made."""

import re
import sqlite3
from pathlib import Path

from sqlalchemy import text

from finery.db import Database
from finery.migrations import HEAD, check_schema, upgrade
from tests.migrations.test_accounts import down, up

PART = re.compile(r",(?![^()]*\))")
"""Of a statement that makes a table: its columns and constraints, which the two name in another order."""


def schema(path: Path) -> dict[str, list[str]]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {name: sorted(_parts(sql)) for name, sql in found}


def _parts(sql: str) -> list[str]:
    head, _, body = " ".join(sql.split()).partition("(")
    return [head, *(part.strip() for part in PART.split(body.removesuffix(")").strip()))]


def migrated(home: Path) -> Database:
    database = Database("sqlite:///migrated.db", home=home)
    up(database, HEAD)
    return database


def made(home: Path) -> Database:
    database = Database("sqlite:///made.db", home=home)
    upgrade(database)
    return database


class TestNewDatabase:
    def test_is_what_the_migrations_make(self, home: Path) -> None:
        migrated(home).dispose()
        made(home).dispose()
        assert schema(home / "made.db") == schema(home / "migrated.db")
        assert len(schema(home / "made.db")) > 50

    def test_goes_down_and_up_again(self, home: Path) -> None:
        database = made(home)
        down(database, "0001")
        up(database, HEAD)
        assert check_schema(database) == HEAD
        database.dispose()
        migrated(home).dispose()
        assert schema(home / "made.db").keys() == schema(home / "migrated.db").keys()

    def test_of_another_programs_tables_nothing_is_lost(self, home: Path) -> None:
        database = Database("sqlite:///made.db", home=home)
        with database.engine.execution_options(writing=True).begin() as connection:
            connection.execute(text("CREATE TABLE jobs (id TEXT)"))
            connection.execute(text("INSERT INTO jobs VALUES ('kept')"))
        upgrade(database)
        with database.engine.connect() as connection:
            assert connection.execute(text("SELECT id FROM jobs")).scalar() == "kept"
        assert check_schema(database) == HEAD
        database.dispose()
