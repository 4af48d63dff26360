"""The leases that there are become those of the local pool's one node, and back."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from finery.db import Database
from finery.migrations import HEAD
from tests.migrations.test_accounts import RUN, down, empty_database, up, values

pytestmark = pytest.mark.every_database

__all__ = ["empty_database"]

NOW = {"now": "2026-01-02 03:04:05"}
LEASE = "INSERT INTO leases (pool, node, device, run_number, created_at) VALUES (:pool, :node, 'gpu:0', 1, :now)"


def execute(database: Database, statement: str, **values: str) -> None:
    with database.engine.execution_options(writing=True).begin() as connection:
        connection.execute(text(statement), {**NOW, **values})


def test_they_survive_both_ways(empty_database: Database) -> None:
    up(empty_database, "0001")
    execute(empty_database, RUN.replace("'succeeded'", "'running'"))
    execute(empty_database, "INSERT INTO leases (device, run_number, created_at) VALUES ('gpu:0', 1, :now)")
    for _ in range(2):
        up(empty_database, HEAD)
        query = "SELECT pool, node, device, run_number FROM leases"
        assert values(empty_database, query) == [("local", "localhost", "gpu:0", 1)]
        execute(empty_database, LEASE, pool="cluster", node="n1")
        with pytest.raises(IntegrityError):
            execute(empty_database, LEASE, pool="cluster", node="n1")
        down(empty_database, "0016")
        assert values(empty_database, "SELECT device, run_number FROM leases") == [("gpu:0", 1)]
        with pytest.raises(IntegrityError):
            execute(empty_database, "INSERT INTO leases (device, run_number, created_at) VALUES ('gpu:0', 1, :now)")
