"""Database migrations (Alembic), and `upgrade`, which brings a database's schema up to date."""

from pathlib import Path

from sqlalchemy import inspect, text

import finery.models  # noqa: F401 - registers the tables with Base
from finery import __version__
from finery.db import Base, Database

HEAD = "0022"
LEASED_SINCE = "0012"
"""The first schema with the server's lease."""
VERSION_TABLE = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)
"""The same statement as Alembic's."""


class SchemaUnknown(Exception):
    """This version can neither work with the schema nor bring it up to date. The message is one line."""


def upgrade(database: Database) -> None:
    """Bring the schema to HEAD. Raises SchemaUnknown.

    A schema that is there already, and a new SQLite database, do without importing Alembic.
    """
    version = check_schema(database)
    if version == HEAD:
        return
    if version is None and database.file is not None and _create(database):
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with database.engine.execution_options(writing=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _create(database: Database) -> bool:
    """Make the tables as the models have them, which is what all migrations together make: tests/migrations compares
    the two. Returns False where there are tables of some kind already.
    """
    # Alembic and its migrations would take a sixth of the time of a first start. Of the databases, SQLite alone makes
    # tables in a transaction, so that a kill leaves none half made.
    with database.engine.execution_options(writing=True).begin() as connection:
        if inspect(connection).get_table_names():
            return False
        Base.metadata.create_all(connection, checkfirst=False)
        connection.execute(text(VERSION_TABLE))
        connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD})
    return True


def check_schema(database: Database) -> str | None:
    """Returns the schema's version; None for an empty database. Raises SchemaUnknown where no migration leads on."""
    with database.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if version is None or version == HEAD or version in _known_versions():
        return version
    if version.isdigit():
        raise SchemaUnknown(
            f"its schema {version} is of a newer Finery, and this one, {__version__}, knows {HEAD} and older: start "
            "the newer one, or restore the backup from before the upgrade"
        )
    raise SchemaUnknown(f"its schema {version!r} is another program's: give Finery a database of its own")


def _known_versions() -> set[str]:
    return {path.name.split("_")[0] for path in (Path(__file__).parent / "versions").glob("[0-9]*.py")}
