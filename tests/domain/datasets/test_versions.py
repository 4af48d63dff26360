from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from finery.contracts.layout import HomeDirectory
from finery.db import Database
from finery.domain import datasets
from finery.domain.datasets.errors import StoredDatasetNotFound, VersionNotFound
from tests.domain.datasets import stored
from tests.domain.principals import ANN, BOB


class TestAddVersion:
    def test_counts_up(self, database: Database, home: Path) -> None:
        made = stored.create(database, home)
        assert [stored.add(database, home, made, content).version for content in ("2", "3")] == [2, 3]
        assert [stored.read(database, home, made, version) for version in (2, 3, None)] == [b"2", b"3", b"3"]

    @pytest.mark.every_database
    def test_many_at_once(self, database: Database, home: Path) -> None:
        made = stored.create(database, home)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda number: stored.add(database, home, made, f"{number % 3}"), range(20)))
        assert sorted(version.version for version in found) == list(range(2, 22))
        assert len(stored.files(home)) == 4


class TestListVersions:
    def test_newest_first(self, database: Database, home: Path) -> None:
        made = stored.create(database, home)
        stored.add(database, home, made, "2")
        with database.read() as session:
            assert [each.version for each in datasets.list_versions(session, made.id, ANN)] == [2, 1]
            with pytest.raises(StoredDatasetNotFound):
                datasets.list_versions(session, made.id, BOB)


class TestRestore:
    def test_old_content_in_a_new_version(self, database: Database, home: Path) -> None:
        made = stored.create(database, home)
        stored.add(database, home, made, "2")
        with database.write() as session:
            restored = datasets.restore(session, made.id, 1, actor=ANN)
        assert (restored.version, restored.note) == (3, "restored from version 1")
        assert (restored.sha256, restored.filename) == (made.newest.sha256, made.newest.filename)
        assert len(stored.files(home)) == 2

    def test_no_such_version(self, database: Database, home: Path) -> None:
        made = stored.create(database, home)
        with database.write() as session, pytest.raises(VersionNotFound, match="newest is 1"):
            datasets.restore(session, made.id, 2, actor=ANN)


class TestRecordStatistics:
    def test_are_kept_and_restored(self, database: Database, home: Path) -> None:
        made = stored.create(database, home)
        with database.read() as session:
            found = datasets.locate(session, made.id, None, actor=ANN, home=HomeDirectory(home))
        assert found.statistics is None
        statistics = datasets.measure(found.path, filename="rows.jsonl")
        with database.write() as session:
            datasets.record_statistics(session, found.version, statistics)
            datasets.restore(session, made.id, 1, actor=ANN)
        with database.read() as session:
            for version in (1, 2):
                kept = datasets.locate(session, made.id, version, actor=ANN, home=HomeDirectory(home)).statistics
                assert kept == statistics

    def test_those_of_an_earlier_version_are_counted_anew(self, database: Database, home: Path) -> None:
        made = stored.create(database, home)
        with database.read() as session:
            found = datasets.locate(session, made.id, None, actor=ANN, home=HomeDirectory(home))
        earlier = datasets.measure(found.path, filename="rows.jsonl").model_copy(update={"languages": None})
        with database.write() as session:
            datasets.record_statistics(session, found.version, earlier)
        with database.read() as session:
            assert datasets.locate(session, made.id, None, actor=ANN, home=HomeDirectory(home)).statistics is None
