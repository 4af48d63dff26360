import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import NoResultFound

from finery.contracts.files import UploadStatus
from finery.contracts.layout import HomeDirectory
from finery.contracts.status import RunStatus
from finery.db import Database
from finery.domain import files, runs
from finery.domain.files.errors import FileNotFound
from finery.domain.files.expiry import FORGOTTEN_AFTER
from finery.domain.files.uploads import LIFETIME
from finery.domain.runs.queries import lock_row
from finery.domain.runs.transitions import change_status
from finery.models import UploadRow
from tests import builders
from tests.domain.datasets.stored import new_file
from tests.domain.files import parted
from tests.domain.principals import ANN

EXPIRED = LIFETIME + timedelta(seconds=1)


def has_expired(database: Database) -> bool:
    with database.read() as session:
        return files.has_expired(session)


def status(database: Database, upload_id: str) -> UploadStatus:
    with database.read() as session:
        return UploadStatus(session.get_one(UploadRow, upload_id).status)


class TestRemoveExpired:
    def test_nothing_that_is_in_time(self, database: Database, home: Path) -> None:
        parted.file(database, home)
        parted.file(database, home, lifetime_seconds=None)
        part = parted.add(database, home, parted.begin(database, 3), b"one")
        assert not has_expired(database)
        assert parted.clean(database, home) == 0
        assert parted.part_files(home) == parted.parts(database) == {part.id}

    def test_files(self, database: Database, home: Path) -> None:
        kept = parted.file(database, home, lifetime_seconds=None)
        parted.file(database, home)
        parted.age(database, EXPIRED)
        assert has_expired(database)
        parted.clean(database, home)
        assert not has_expired(database)
        with database.read() as session:
            found, _ = files.list_page(session, ANN, purpose=None, after=None, limit=10, newest_first=True)
        assert [file.id for file in found] == [kept.id]

    def test_a_file_that_a_run_needs_stays_until_its_end(self, database: Database, home: Path) -> None:
        file = parted.file(database, home)
        with database.write() as session:
            config = {"dataset_path": file.id}
            run = runs.create(session, builders.sft(home, config=config), builders.context(home), ANN)
        parted.age(database, EXPIRED)
        with database.read() as session, pytest.raises(FileNotFound):
            files.get(session, file.id, ANN)
        assert not has_expired(database)
        parted.clean(database, home)
        with database.write() as session:
            change_status(session, lock_row(session, run.id, ANN), RunStatus.CANCELLED)
        assert has_expired(database)
        parted.clean(database, home)
        assert not has_expired(database)

    def test_uploads(self, database: Database, home: Path) -> None:
        upload = parted.begin(database, 9)
        for content in (b"one", b"two"):
            parted.add(database, home, upload, content)
        parted.age(database, EXPIRED)
        assert has_expired(database)
        assert parted.clean(database, home) == 2
        assert status(database, upload) is UploadStatus.EXPIRED
        assert parted.part_files(home) == parted.parts(database) == set()
        assert not has_expired(database)

    def test_parts_of_uploads_that_are_over(self, database: Database, home: Path) -> None:
        done, dropped, going = (parted.begin(database, 3) for _ in range(3))
        ids = {upload: parted.add(database, home, upload, b"one").id for upload in (done, dropped, going)}
        file = parted.complete(database, home, done, [ids[done]]).file
        with database.write() as session:
            files.cancel(session, dropped, ANN)
        assert has_expired(database)
        assert parted.clean(database, home) == 2
        assert parted.part_files(home) == parted.parts(database) == {ids[going]}
        assert parted.content(database, home, file) == b"one"
        assert (status(database, done), status(database, dropped)) == (UploadStatus.COMPLETED, UploadStatus.CANCELLED)

    def test_an_upload_is_forgotten_after_its_parts(
        self, database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("finery.domain.files.expiry.AT_ONCE", 2)
        upload = parted.begin(database, 9)
        for content in (b"one", b"two", b"333"):
            parted.add(database, home, upload, content)
        parted.age(database, FORGOTTEN_AFTER)
        assert [parted.clean(database, home) for _ in range(2)] == [2, 1]
        assert parted.part_files(home) == parted.parts(database) == set()
        with pytest.raises(NoResultFound):
            status(database, upload)
        assert not has_expired(database)

    def test_one_that_still_takes_parts_is_not_forgotten(self, database: Database, home: Path) -> None:
        """However old it is: each part puts its end off."""
        upload = parted.begin(database, 9)
        parted.age(database, FORGOTTEN_AFTER)
        with database.write() as session:
            parted.put_off(session, upload)
        assert not has_expired(database)
        parted.clean(database, home)
        assert status(database, upload) is UploadStatus.PENDING


class TestRemoveStrayParts:
    def test_files_without_a_row(self, database: Database, home: Path) -> None:
        part = parted.add(database, home, parted.begin(database, 6), b"one")
        folder = HomeDirectory(home).upload_parts
        shutil.copy(folder / part.id, folder / "part_0123")
        with database.read() as session:
            assert files.remove_stray_parts(session, HomeDirectory(home)) == 1
        assert parted.part_files(home) == {part.id}

    def test_of_a_transaction_that_failed(self, database: Database, home: Path) -> None:
        upload = parted.begin(database, 6)
        with database.write() as session:
            files.add_part(session, upload, new_file(home, b"one"), HomeDirectory(home), ANN)
            session.rollback()
        assert len(parted.part_files(home)) == 1
        with database.read() as session:
            assert files.remove_stray_parts(session, HomeDirectory(home)) == 1
        assert parted.part_files(home) == set()

    def test_of_nobody(self, database: Database, home: Path) -> None:
        with database.read() as session:
            assert files.remove_stray_parts(session, HomeDirectory(home)) == 0
