"""Column types that mean the same on SQLite, PostgreSQL and MariaDB."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Double, Integer, Text
from sqlalchemy.dialects.mysql import DATETIME, LONGTEXT
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

LongText = Text().with_variant(LONGTEXT(), "mysql", "mariadb")
BigKey = BigInteger().with_variant(Integer(), "sqlite")
"""An auto-incrementing key; SQLite counts up only plain INTEGER keys."""


class UtcDateTime(TypeDecorator[datetime]):
    """Microseconds, in UTC, aware on our side and naive in the database."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        kind = DATETIME(fsp=6) if dialect.name in ("mysql", "mariadb") else DateTime()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Every table. Text compares by its bytes, also on MariaDB."""

    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON, datetime: UtcDateTime, float: Double}
    __table_args__: Any = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
