"""The database is gone for a while: runs live on, and what became of them arrives once when it is back."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine, text

from finery.contracts.status import RunStatus
from finery.db import Database
from tests import builders, databases
from tests.scheduler.harness import Harness

OUTAGE_SECONDS = 3.0
PROGRAM = "import time; open('ran', 'a').write('x'); time.sleep(1)"


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """SQLite: somebody else holds the write lock."""
    with database.engine.execution_options(writing=True).begin():
        yield


@contextmanager
def refused(database: Database) -> Iterator[None]:
    """PostgreSQL: every connection is cut, and no new one let in."""
    name = database.url.database
    database.engine.dispose()
    admin = create_engine(databases.base_url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
        ended = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        connection.execute(ended, {"name": name})
        try:
            yield
        finally:
            connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'))
    admin.dispose()


OUTAGES = {"sqlite": locked, "postgres": refused}


class TestOutage:
    @pytest.mark.parametrize("database", [name for name in databases.wanted() if name in OUTAGES], indirect=True)
    def test_the_end_arrives_once(self, harness: Harness, database: Database) -> None:
        harness.start()
        run_id = harness.submit(builders.command(sys.executable, "-c", PROGRAM))
        harness.wait_for(run_id, RunStatus.RUNNING)
        kind = "sqlite" if database.url.get_backend_name() == "sqlite" else "postgres"
        with OUTAGES[kind](database):
            time.sleep(OUTAGE_SECONDS)
        run = harness.wait_for_end(run_id)
        assert (run.status, run.attempt) == (RunStatus.SUCCEEDED, 1)
        assert (harness.home / "ran").read_text() == "x"
        assert not harness.died(0)
        harness.assert_promises(run_id)
