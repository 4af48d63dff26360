import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from finery.contracts.layout import HomeDirectory
from finery.db import Database
from finery.domain import datasets
from finery.domain.datasets.blobs import blob_path
from finery.models import BlobRow
from tests.domain.datasets import stored
from tests.domain.principals import ANN, BOB


def names(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(BlobRow.name)))


class TestStoreBlob:
    def test_the_same_content_is_stored_once(self, database: Database, home: Path) -> None:
        for actor in (ANN, BOB):
            for name in ("a", "b"):
                stored.create(database, home, name=name, actor=actor)
        assert len(names(database)) == len(stored.files(home)) == 1

    def test_each_suffix_has_a_file_of_its_own(self, database: Database, home: Path) -> None:
        for filename in ("a.jsonl", "a.json", "a.exe", "a"):
            stored.create(database, home, filename=filename, name=filename)
        assert sorted(path.suffix for path in stored.files(home) if "json" in path.suffix) == [".json", ".jsonl"]
        assert len(names(database)) == 3

    def test_a_lost_file_is_mended(self, database: Database, home: Path) -> None:
        made = stored.create(database, home)
        [file] = stored.files(home)
        file.unlink()
        stored.create(database, home, name="again")
        assert stored.read(database, home, made) == stored.ROW.encode()

    def test_a_transaction_that_fails_leaves_a_file_for_the_next_start(self, database: Database, home: Path) -> None:
        file = stored.new_file(home)
        with database.write() as session:
            datasets.create(session, file, actor=ANN, home=HomeDirectory(home))
            session.rollback()
        assert names(database) == set()
        with database.read() as session:
            assert datasets.remove_strays(session, HomeDirectory(home)) == 1
        assert stored.files(home) == []


class TestRemoveUnused:
    def test_in_use_stays(self, database: Database, home: Path) -> None:
        stored.create(database, home)
        with database.read() as session:
            assert not datasets.has_unused(session)
        assert stored.sweep(database, home) == []

    def test_content_that_comes_again_while_it_goes_is_kept(self, database: Database, home: Path) -> None:
        """The row is gone and committed, the file not yet; the same content is stored; then the file goes."""
        made = stored.create(database, home)
        with database.write() as session:
            datasets.delete(session, made.id, ANN)
        with database.write() as session:
            gone = datasets.remove_unused(session)
        again = stored.create(database, home)
        datasets.remove_files(HomeDirectory(home), gone)
        assert stored.read(database, home, again) == stored.ROW.encode()
        assert len(stored.files(home)) == 1

    @pytest.mark.every_database
    def test_at_once_with_uploads_and_deletions(self, database: Database, home: Path) -> None:
        """Whatever is stored at the end can be read, and nothing else lies there."""
        over = threading.Event()

        def clean() -> None:
            while not over.is_set():
                stored.sweep(database, home)

        def come_and_go(number: int) -> None:
            for turn in range(6):
                made = stored.create(database, home, "same", name=f"{number}-{turn}")
                assert stored.read(database, home, made) == b"same"
                if turn < 5 or number % 2:
                    with database.write() as session:
                        datasets.delete(session, made.id, ANN)

        cleaner = threading.Thread(target=clean)
        cleaner.start()
        try:
            with ThreadPoolExecutor(6) as pool:
                list(pool.map(come_and_go, range(6)))
        finally:
            over.set()
            cleaner.join()
        stored.sweep(database, home)
        with database.read() as session:
            left = datasets.list_page(session, ANN, limit=100).datasets
            rows = session.scalar(select(func.count()).select_from(BlobRow))
        assert len(left) == 3
        assert all(stored.read(database, home, each) == b"same" for each in left)
        assert [blob_path(HomeDirectory(home), name) for name in names(database)] == stored.files(home)
        assert rows == 1


class TestRemoveStrays:
    def test_files_without_a_row_go(self, database: Database, home: Path) -> None:
        made = stored.create(database, home)
        stray = HomeDirectory(home).blobs / "ab" / "abcd.jsonl"
        stray.parent.mkdir(exist_ok=True)
        stray.write_bytes(b"x")
        with database.read() as session:
            assert datasets.remove_strays(session, HomeDirectory(home)) == 1
        assert not stray.exists()
        assert stored.read(database, home, made) == stored.ROW.encode()
