"""Inserts that may find somebody else's row in their place."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import Session

from finery.db.types import Base


def insert_or_leave(session: Session, model: type[Base], values: Mapping[str, Any]) -> None:
    """Add a row; one with the same unique key is left as it is, whoever commits first.

    On MariaDB a plain INSERT that meets its like keeps a shared lock on it. Two that then want to lock the row for
    themselves wait for each other; so there the row is "updated" to what it is, which takes the lock for oneself.
    """
    # Only the database's own dialect: the others' would be a tenth of the server's start.
    name = session.get_bind().dialect.name
    if name == "sqlite":
        from sqlalchemy.dialects import sqlite

        session.execute(sqlite.insert(model).values(values).on_conflict_do_nothing())
    elif name == "postgresql":
        from sqlalchemy.dialects import postgresql

        session.execute(postgresql.insert(model).values(values).on_conflict_do_nothing())
    else:
        from sqlalchemy.dialects import mysql

        key = inspect(model).primary_key[0]
        session.execute(mysql.insert(model).values(values).on_duplicate_key_update({key.name: key}))
