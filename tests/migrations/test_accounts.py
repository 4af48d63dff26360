"""The second migration on each kind of database: rows survive it, both ways."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from finery import migrations
from finery.db import Base, Database
from finery.migrations import HEAD
from tests import databases

pytestmark = pytest.mark.every_database

NEW_TABLES = {"api_keys", "audit_log", "secrets", "sessions", "setup", "users"}
DEPLOYMENT = (
    "INSERT INTO deployments (id, model_name, model, engine, options, status, stop_requested, details, created_at,"
    " updated_at) VALUES ('d1', 'm', 'm', 'transformers', '{}', 'running', :no, '{}', :now, :now)"
)
RUN = (
    "INSERT INTO runs (id, source, recipe, labels, config, requested, spec, gpus, cpu_slots, priority, passed, status,"
    " controls, attempt, lost_count, events_offset, last_sequence, progress, created_at, updated_at) VALUES"
    " ('r1', 'native', 'command', '{}', '{}', '{}', '{}', 0, 1, 0, 0, 'succeeded', '[]', 1, 0, 0, 0, '{}', :now, :now)"
)


@pytest.fixture(params=databases.wanted())
def empty_database(request: pytest.FixtureRequest, home: Path) -> Iterator[Database]:
    """Without any table."""
    if request.param == "sqlite":
        database = Database("sqlite:///empty.db", home=home)
        yield database
        database.dispose()
        return
    scratch = databases.scratch(request.param, f"{os.getpid()}_migration")
    scratch.drop()
    scratch.create()
    database = Database(scratch.url.render_as_string(hide_password=False), home=home)
    yield database
    database.dispose()
    scratch.drop()


def up(database: Database, revision: str) -> None:
    with _config(database) as config:
        command.upgrade(config, revision)


def down(database: Database, revision: str) -> None:
    with _config(database) as config:
        command.downgrade(config, revision)


@contextmanager
def _config(database: Database) -> Iterator[Config]:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with database.engine.execution_options(writing=True).begin() as connection:
        config.attributes["connection"] = connection
        yield config


def values(database: Database, query: str) -> list[tuple[object, ...]]:
    with database.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def insert_old_rows(database: Database) -> None:
    with database.engine.execution_options(writing=True).begin() as connection:
        connection.execute(text(RUN), {"now": "2026-01-02 03:04:05"})
        connection.execute(text(DEPLOYMENT), {"now": "2026-01-02 03:04:05", "no": False})


class TestUpgrade:
    def test_rows_survive_and_are_private(self, empty_database: Database) -> None:
        up(empty_database, "0001")
        insert_old_rows(empty_database)
        up(empty_database, HEAD)
        assert values(empty_database, "SELECT id, owner_id, shared FROM runs") == [("r1", None, 0)]
        assert values(empty_database, "SELECT id, owner_id, shared FROM deployments") == [("d1", None, 0)]

    def test_tables_are_those_of_the_models(self, empty_database: Database) -> None:
        up(empty_database, HEAD)
        with empty_database.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": False})
            assert compare_metadata(context, Base.metadata) == []


class TestDowngrade:
    def test_rows_survive_and_the_way_up_is_open_again(self, empty_database: Database) -> None:
        up(empty_database, "0001")
        insert_old_rows(empty_database)
        up(empty_database, HEAD)
        down(empty_database, "0001")
        with empty_database.engine.connect() as connection:
            assert not NEW_TABLES & set(inspect(connection).get_table_names())
        assert values(empty_database, "SELECT id FROM runs") == [("r1",)]
        up(empty_database, HEAD)
        assert values(empty_database, "SELECT shared FROM runs") == [(0,)]
