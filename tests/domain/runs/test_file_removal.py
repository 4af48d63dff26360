import os
from pathlib import Path

import pytest

from finery.contracts.layout import HomeDirectory
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.db import Database
from finery.domain import runs
from finery.domain.runs.file_removal import finish_removals
from tests import builders


@pytest.fixture
def cancelled(database: Database, home: Path) -> Path:
    """The directory of a run that has ended."""
    with database.write() as session:
        runs.create(session, builders.command(id="a"), builders.context(home), LOCAL_ADMINISTRATOR)
        runs.request_cancel(session, "a", LOCAL_ADMINISTRATOR)
    directory = HomeDirectory(home).run("a").path
    (directory / "checkpoints").mkdir(parents=True)
    log = HomeDirectory(home).run_log("a")
    log.parent.mkdir(parents=True)
    log.write_text("log")
    return directory


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


class TestDelete:
    def test_its_files_go_behind_the_transaction(self, database: Database, home: Path, cancelled: Path) -> None:
        with database.write() as session:
            runs.delete(session, "a", builders.context(home), LOCAL_ADMINISTRATOR)
            assert names(cancelled.parent) == [".deleted-a"]
        assert names(cancelled.parent) == []
        assert not HomeDirectory(home).run_log("a").exists()

    def test_they_stay_when_it_is_rolled_back(self, database: Database, home: Path, cancelled: Path) -> None:
        with pytest.raises(ZeroDivisionError), database.write() as session:
            self.delete_and_fail(database, home, session)
        assert names(cancelled) == ["checkpoints"]
        assert HomeDirectory(home).run_log("a").exists()

    def delete_and_fail(self, database: Database, home: Path, session: object) -> None:
        runs.delete(session, "a", builders.context(home), LOCAL_ADMINISTRATOR)  # type: ignore[arg-type]
        raise ZeroDivisionError


class TestFinishRemovals:
    """A server was killed between setting the files aside and what should have followed."""

    def settle(self, database: Database, home: Path) -> None:
        with database.read() as session:
            finish_removals(session, HomeDirectory(home))

    def test_before_the_commit(self, database: Database, home: Path, cancelled: Path) -> None:
        cancelled.rename(cancelled.with_name(".deleted-a"))
        self.settle(database, home)
        assert names(cancelled) == ["checkpoints"]

    def test_after_the_commit(self, database: Database, home: Path, cancelled: Path) -> None:
        with database.write() as session:
            runs.delete(session, "a", builders.context(home), LOCAL_ADMINISTRATOR)
        cancelled.with_name(".deleted-a").mkdir()
        self.settle(database, home)
        assert names(cancelled.parent) == []
