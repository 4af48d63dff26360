"""The migration that lets runs be found by their output directory."""

from pathlib import Path

import pytest
from sqlalchemy import text

from finery.db import Database
from finery.domain.path_access import hash_output
from finery.migrations import HEAD
from tests.migrations.test_accounts import RUN, down, empty_database, up, values

pytestmark = pytest.mark.every_database

__all__ = ["empty_database"]


class TestUpgrade:
    def test_runs_of_before_get_their_hashes(self, empty_database: Database, home: Path) -> None:
        up(empty_database, "0003")
        with empty_database.engine.execution_options(writing=True).begin() as connection:
            for number in range(1, 1003):
                connection.execute(text(RUN.replace("'r1'", f"'r{number}'")), {"now": "2026-01-02 03:04:05"})
            connection.execute(text("UPDATE runs SET output_dir = id WHERE id != 'r7'"))
        up(empty_database, HEAD)
        found = dict(values(empty_database, "SELECT id, output_hash FROM runs"))  # type: ignore[arg-type]
        assert found == {f"r{n}": hash_output(f"r{n}") if n != 7 else None for n in range(1, 1003)}
        down(empty_database, "0003")
        up(empty_database, HEAD)
        assert dict(values(empty_database, "SELECT id, output_hash FROM runs")) == found  # type: ignore[arg-type]
