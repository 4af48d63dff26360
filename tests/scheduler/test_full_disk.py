"""A home whose disk becomes full, database and all."""

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from finery.contracts.layout import HomeDirectory
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.status import Reason, RunStatus
from finery.db import Database
from finery.domain import runs
from finery.kit.home_identity import identify_home
from tests import builders
from tests.executors.builders import until
from tests.scheduler.harness import Harness
from tests.small_disk import fill, small_disk

GREEDY = """
import time
while True:
    try:
        with open("filler", "ab", buffering=0) as file:
            file.write(b"x" * 65536)
        # 30 MB a second: faster, the space that is given up for the cancel would be gone before that is written.
        time.sleep(0.002)
    except OSError:
        time.sleep(0.01)
"""


@pytest.fixture
def full(tmp_path: Path, sqlite_template: Path) -> Iterator[Harness]:
    with small_disk(tmp_path / "small", "32m") as home:
        shutil.copy(sqlite_template, home / "training.db")
        # A server has been there before: what it writes at its first start is there.
        identify_home(HomeDirectory(home).state)
        database = Database("sqlite:///training.db", home=home)
        harness = Harness(home, database)
        yield harness
        harness.close()
        database.dispose()


class TestFullDisk:
    def test_who_fills_it_is_cancelled(self, full: Harness) -> None:
        full.start()
        until(lambda: full.database.reserve.fill())
        run_id = full.submit(builders.command(sys.executable, "-c", GREEDY))
        full.wait_for(run_id, RunStatus.RUNNING)
        until(lambda: shutil.disk_usage(full.home).free < 65536)
        with full.database.write() as session:
            runs.request_cancel(session, run_id, LOCAL_ADMINISTRATOR)
        run = full.wait_for_end(run_id)
        assert (run.status, run.reason) == (RunStatus.CANCELLED, Reason.CANCELLED)
        full.assert_promises(run_id)

    def test_who_waits_starts_when_there_is_room(self, full: Harness) -> None:
        run_id = full.submit(builders.command("true"))
        filler = fill(full.home)
        full.start()
        time.sleep(1)
        assert full.get(run_id).status is RunStatus.QUEUED
        filler.unlink()
        run = full.wait_for_end(run_id)
        assert run.status is RunStatus.SUCCEEDED
        full.assert_promises(run_id)
