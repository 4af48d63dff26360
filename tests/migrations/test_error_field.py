"""What only an error's words told is a column: which field of the configuration it is about."""

import pytest
from sqlalchemy import text

from finery.db import Database
from finery.migrations import HEAD
from tests.migrations.test_accounts import RUN, down, empty_database, up, values

pytestmark = pytest.mark.every_database

__all__ = ["empty_database"]

ERRORS = {
    "a": ("invalid_data", "rows.jsonl: line 3 is no object", "dataset_path"),
    "b": ("invalid_data", "eval_dataset_path: rows.jsonl: line 3 is no object", "eval_dataset_path"),
    "c": ("invalid_data", "evalXdataset_path: odd", "dataset_path"),
    "d": ("error", "eval_dataset_path: said by a trainer", None),
}


class TestUpgrade:
    def test_fields_are_read_from_the_words(self, empty_database: Database) -> None:
        up(empty_database, "0001")
        with empty_database.engine.execution_options(writing=True).begin() as connection:
            for run_id, (reason, error, _) in ERRORS.items():
                connection.execute(text(RUN.replace("'r1'", f"'{run_id}'")), {"now": "2026-01-02 03:04:05"})
                told = {"reason": reason, "error": error, "id": run_id}
                connection.execute(text("UPDATE runs SET reason = :reason, error = :error WHERE id = :id"), told)
        for _ in range(2):
            up(empty_database, HEAD)
            found = values(empty_database, "SELECT id, error_field FROM runs ORDER BY id")
            assert found == [(run_id, field) for run_id, (_, _, field) in ERRORS.items()]
            down(empty_database, "0015")
