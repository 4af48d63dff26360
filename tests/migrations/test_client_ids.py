"""The migration that gives each owner ids of their own."""

import pytest
from sqlalchemy import text

from finery.db import Database
from finery.domain.ownership import client_key
from finery.migrations import HEAD
from tests.migrations.test_accounts import down, empty_database, up, values

pytestmark = pytest.mark.every_database

__all__ = ["empty_database"]

COLUMNS = (
    "id, source, owner_id, recipe, labels, config, requested, spec, gpus, cpu_slots, priority, passed, status,"
    " controls, attempt, lost_count, events_offset, last_sequence, progress, shared, created_at, updated_at"
)
RUN = (
    f"INSERT INTO runs ({COLUMNS}) VALUES (:id, :source, :owner, 'external', '{{}}', '{{}}', '{{}}', '{{}}', 0, 1,"
    " 0, 0, 'queued', '[]', 0, 0, 0, 0, '{}', :shared, :now, :now)"
)
RUNS = [
    ("job-1", "registry", "u1"),
    ("00000001", "registry", None),
    ("exp", "native", "u2"),
    ("00000002", "native", "u2"),
    ("00000003", "train", "u1"),
    ("ftjob-1", "openai", "u1"),
]


class TestUpgrade:
    def test_ids_that_were_chosen_are_their_owners(self, empty_database: Database) -> None:
        up(empty_database, "0013")
        with empty_database.engine.execution_options(writing=True).begin() as connection:
            for run_id, source, owner in RUNS:
                given = {"id": run_id, "source": source, "owner": owner, "shared": False, "now": "2026-01-02 03:04:05"}
                connection.execute(text(RUN), given)
        chosen = {"job-1": "u1", "00000001": None, "exp": "u2"}
        for _ in range(2):
            up(empty_database, HEAD)
            found = values(empty_database, "SELECT id, client_id, client_key FROM runs ORDER BY number")
            assert found == [
                (run_id, run_id, client_key(chosen[run_id], run_id)) if run_id in chosen else (run_id, None, None)
                for run_id, _, _ in RUNS
            ]
            down(empty_database, "0013")
        assert [row[0] for row in values(empty_database, "SELECT id FROM runs ORDER BY number")] == [
            one[0] for one in RUNS
        ]
