"""The schema's history (Alembic), and the one call that brings a database up to date."""

from pathlib import Path

from sqlalchemy import inspect, text

from finery.db import Database

HEAD = "0008"


def upgrade(database: Database) -> None:
    """Bring the schema to HEAD; quick, and without importing Alembic, when it is there already."""
    if _current(database) == HEAD:
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with database.engine.execution_options(writing=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _current(database: Database) -> str | None:
    with database.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
