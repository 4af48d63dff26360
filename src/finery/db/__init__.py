"""Database sessions, and the base of all tables."""

from finery.db.database import Database, keep_room, make_room, read_beside_write
from finery.db.types import Base, LongText, UtcDateTime

__all__ = ["Base", "Database", "LongText", "UtcDateTime", "keep_room", "make_room", "read_beside_write"]
