"""The migration that gives the parts of uploads their hashes."""

import pytest
from sqlalchemy import text

from finery.db import Database
from finery.migrations import HEAD
from tests.migrations.test_accounts import down, empty_database, up, values

pytestmark = pytest.mark.every_database

__all__ = ["empty_database"]

UPLOAD = (
    "INSERT INTO uploads (id, filename, purpose, mime_type, size_bytes, status, created_at, expires_at)"
    " VALUES ('u1', 'f', 'fine-tune', 'm', 1, 'pending', :now, :now)"
)
PART = "INSERT INTO upload_parts (id, upload_id, size_bytes, created_at) VALUES ('p1', 'u1', 1, :now)"


class TestUpgrade:
    def test_parts_of_before_have_no_hash(self, empty_database: Database) -> None:
        up(empty_database, "0007")
        with empty_database.engine.execution_options(writing=True).begin() as connection:
            for statement in (UPLOAD, PART):
                connection.execute(text(statement), {"now": "2026-01-02 03:04:05"})
        for _ in range(2):
            up(empty_database, HEAD)
            assert values(empty_database, "SELECT id, sha256, answers FROM upload_parts") == [("p1", None, 1)]
            down(empty_database, "0007")
        assert values(empty_database, "SELECT id FROM upload_parts") == [("p1",)]
