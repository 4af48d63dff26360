"""Steps of migrations that may be carried out again: MariaDB commits each by itself, so that one that was killed in the
middle has done a part of them, and begins anew at the next start."""

from typing import Any

import sqlalchemy as sa
from alembic import op


def add_column(table: str, column: sa.Column[Any]) -> None:
    if column.name not in {known["name"] for known in _inspector().get_columns(table)}:
        op.add_column(table, column)


def create_table(name: str, *parts: Any, **options: Any) -> None:
    if not _inspector().has_table(name):
        op.create_table(name, *parts, **options)


def create_index(name: str, table: str, columns: list[str]) -> None:
    if name not in {known["name"] for known in _inspector().get_indexes(table)}:
        op.create_index(name, table, columns)


def _inspector() -> sa.Inspector:
    # Made anew each time, since it remembers what it has seen.
    return sa.inspect(op.get_bind())
