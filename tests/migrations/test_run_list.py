"""The loss of runs that had ended before their last loss was a column."""

import pytest
from sqlalchemy import text

from finery.db import Database
from finery.migrations import HEAD
from tests.migrations.test_accounts import RUN, down, empty_database, up, values

pytestmark = pytest.mark.every_database

__all__ = ["empty_database"]

PROGRESS = {"a": ('{"loss": 0.0}', 0.0), "b": ('{"loss": 1.5}', 1.5), "c": ('{"fraction": 1.0}', None)}


class TestUpgrade:
    def test_losses_are_read_from_the_progress(self, empty_database: Database) -> None:
        up(empty_database, "0001")
        with empty_database.engine.execution_options(writing=True).begin() as connection:
            for run_id, (progress, _) in PROGRESS.items():
                connection.execute(text(RUN.replace("'r1'", f"'{run_id}'")), {"now": "2026-01-02 03:04:05"})
                changed = text("UPDATE runs SET progress = :progress WHERE id = :id")
                connection.execute(changed, {"progress": progress, "id": run_id})
        for _ in range(2):
            up(empty_database, HEAD)
            found = values(empty_database, "SELECT id, final_loss FROM runs ORDER BY id")
            assert found == [(run_id, loss) for run_id, (_, loss) in PROGRESS.items()]
            down(empty_database, "0019")

    def test_what_a_killed_one_left_is_taken_up(self, empty_database: Database) -> None:
        """As MariaDB leaves it, which commits each step."""
        up(empty_database, "0018")
        with empty_database.engine.execution_options(writing=True).begin() as connection:
            connection.execute(text("ALTER TABLE uploads ADD COLUMN dataset_id VARCHAR(36)"))
            connection.execute(text("ALTER TABLE runs ADD COLUMN final_loss DOUBLE PRECISION"))
            connection.execute(text("ALTER TABLE runs ADD COLUMN sweep_id VARCHAR(64)"))
        up(empty_database, HEAD)
        assert values(empty_database, "SELECT sweep_id, final_loss FROM runs") == []
