"""Column types that mean the same on SQLite, PostgreSQL and MariaDB."""

from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Double, Integer, Text
from sqlalchemy.dialects.mysql import DATETIME, LONGTEXT
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

Model = TypeVar("Model", bound=BaseModel)
LongText = Text().with_variant(LONGTEXT(), "mysql", "mariadb")
BigKey = BigInteger().with_variant(Integer(), "sqlite")
"""An auto-incrementing key; SQLite counts up only plain INTEGER keys."""


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC with microseconds: an aware datetime in Python, a naive one in the database."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        kind = DATETIME(fsp=6) if dialect.name in ("mysql", "mariadb") else DateTime()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Stored(TypeDecorator[Model]):
    """A pydantic model as JSON, without default values. Code replaces it as a whole and never changes it in place."""

    impl = JSON
    cache_ok = True

    def __init__(self, model: type[Model]) -> None:
        super().__init__()
        self.model = model

    def process_bind_param(self, value: Model | None, dialect: Dialect) -> Any:
        return None if value is None else value.model_dump(mode="json", exclude_defaults=True)

    def process_result_value(self, value: Any, dialect: Dialect) -> Model | None:
        return None if value is None else self.model.model_validate(value)


TABLE_OPTIONS = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
"""Text compares by its bytes, also on MariaDB. A table with constraints of its own names these beside them."""


class Base(DeclarativeBase):
    """The base class of every table."""

    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON, datetime: UtcDateTime, float: Double}
    __table_args__: Any = TABLE_OPTIONS
