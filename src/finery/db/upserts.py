"""Inserts a row unless a concurrent transaction has inserted it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import Session

from finery.db.types import Base


def insert_or_leave(session: Session, model: type[Base], values: Mapping[str, Any]) -> None:
    """Insert a row, or leave the one with the same unique key as it is.

    On MariaDB a plain INSERT that meets an equal key keeps a shared lock on it, and two transactions that then want to
    lock the row exclusively wait for each other. So there the row is "updated" to what it is, which locks exclusively.
    """
    # Only the database's own dialect is imported: the others would take a tenth of the server's start.
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
