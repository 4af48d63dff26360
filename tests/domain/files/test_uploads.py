from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from finery.db import Database
from finery.domain import files
from finery.domain.errors import ErrorKind
from finery.domain.files.errors import PartsDiffer, TooManyParts, UploadClosed
from finery.domain.files.uploads import LIFETIME, MOST_PARTS
from finery.kit.clock import utc_now
from finery.models import UploadPartRow
from tests.domain.files import parted
from tests.domain.principals import ANN

EXPIRED = LIFETIME + timedelta(seconds=1)


class TestAddPart:
    def test_sent_once_more_is_kept_once(self, database: Database, home: Path) -> None:
        upload = parted.begin(database, 9)
        first = parted.add(database, home, upload, b"one")
        again = [parted.add(database, home, upload, b"one", is_retry=True) for _ in range(10)]
        assert {part.id for part in again} == {first.id}
        rest = [parted.add(database, home, upload, content) for content in (b"two", b"333")]
        assert parted.part_files(home) == parted.parts(database) == {first.id, *(part.id for part in rest)}
        done = parted.complete(database, home, upload, [again[0].id, *(part.id for part in rest)])
        assert parted.content(database, home, done.file) == b"onetwo333"

    @pytest.mark.parametrize("other", [b"two", b"ones", b"on"])
    def test_sent_once_more_but_new(self, database: Database, home: Path, other: bytes) -> None:
        """The first time did not arrive."""
        upload = parted.begin(database, 9)
        first = parted.add(database, home, upload, b"one")
        assert parted.add(database, home, upload, other, is_retry=True).id != first.id

    def test_equal_parts_that_are_meant_as_two(self, database: Database, home: Path) -> None:
        upload = parted.begin(database, 6)
        ids = [parted.add(database, home, upload, b"one").id for _ in range(2)]
        assert len(set(ids)) == 2
        done = parted.complete(database, home, upload, ids)
        assert parted.content(database, home, done.file) == b"oneone"

    def test_equal_parts_of_which_the_second_came_at_its_second_time(self, database: Database, home: Path) -> None:
        upload = parted.begin(database, 6)
        ids = [parted.add(database, home, upload, b"one", is_retry=is_retry).id for is_retry in (False, True)]
        assert len(set(ids)) == 1
        done = parted.complete(database, home, upload, ids)
        assert parted.content(database, home, done.file) == b"oneone"

    def test_of_another_upload_is_another_part(self, database: Database, home: Path) -> None:
        one, other = (parted.begin(database, 3) for _ in range(2))
        first = parted.add(database, home, one, b"one")
        assert parted.add(database, home, other, b"one", is_retry=True).id != first.id

    def test_all_anew_by_who_lost_the_ids(self, database: Database, home: Path) -> None:
        upload = parted.begin(database, 9)
        for content in (b"one", b"two", b"333"):
            parted.add(database, home, upload, content)
        ids = [parted.add(database, home, upload, content).id for content in (b"one", b"two", b"333")]
        done = parted.complete(database, home, upload, ids)
        assert parted.content(database, home, done.file) == b"onetwo333"
        assert len(parted.part_files(home)) == 6
        assert parted.clean(database, home) == 6
        assert parted.part_files(home) == parted.parts(database) == set()

    def test_no_more_than_twice_what_was_announced(self, database: Database, home: Path) -> None:
        upload = parted.begin(database, 3)
        for _ in range(2):
            parted.add(database, home, upload, b"one")
        with pytest.raises(PartsDiffer, match="more than 2 times the 3 bytes"):
            parted.add(database, home, upload, b"1")
        with pytest.raises(PartsDiffer, match="larger than the 3 bytes"):
            parted.add(database, home, upload, b"four")
        assert len(parted.part_files(home)) == 2

    def test_one_too_many(self, database: Database, home: Path) -> None:
        upload = parted.begin(database, MOST_PARTS)
        row = {"upload_id": upload, "size_bytes": 1, "created_at": utc_now()}
        with database.write() as session:
            session.execute(
                UploadPartRow.__table__.insert(), [{"id": f"part_{n}", **row} for n in range(MOST_PARTS - 1)]
            )
        last = parted.add(database, home, upload, b"x")
        with pytest.raises(TooManyParts) as refused:
            parted.add(database, home, upload, b"y")
        assert refused.value.kind is ErrorKind.TOO_LARGE
        assert parted.part_files(home) == {last.id}
        assert parted.add(database, home, upload, b"x", is_retry=True).id == last.id

    def test_of_before_hashes_were_kept(self, database: Database, home: Path) -> None:
        upload = parted.begin(database, 6)
        old = parted.add(database, home, upload, b"one")
        with database.write() as session:
            session.execute(update(UploadPartRow).values(sha256=None))
        new = parted.add(database, home, upload, b"one", is_retry=True)
        done = parted.complete(database, home, upload, [old.id, new.id])
        assert parted.content(database, home, done.file) == b"oneone"

    @pytest.mark.every_database
    def test_side_by_side_all_are_kept(self, database: Database, home: Path) -> None:
        contents = [f"{number:04}".encode() for number in range(32)]
        upload = parted.begin(database, 4 * len(contents))
        with ThreadPoolExecutor(8) as pool:
            ids = [part.id for part in pool.map(lambda each: parted.add(database, home, upload, each), contents)]
        assert parted.part_files(home) == parted.parts(database) == set(ids)
        done = parted.complete(database, home, upload, ids)
        assert parted.content(database, home, done.file) == b"".join(contents)

    @pytest.mark.every_database
    def test_side_by_side_no_more_than_there_is_room_for(self, database: Database, home: Path) -> None:
        upload = parted.begin(database, 10)

        def add(number: int) -> bool:
            try:
                parted.add(database, home, upload, bytes([number]) * 4)
            except PartsDiffer:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(add, range(16))) == 5
        assert len(parted.part_files(home)) == len(parted.parts(database)) == 5

    @pytest.mark.every_database
    def test_retries_side_by_side_are_one_part(self, database: Database, home: Path) -> None:
        upload = parted.begin(database, 3)
        with ThreadPoolExecutor(8) as pool:
            ids = {pool.submit(parted.add, database, home, upload, b"one", is_retry=True) for _ in range(16)}
        assert len({each.result().id for each in ids}) == 1
        assert len(parted.part_files(home)) == 1


class TestCheckParts:
    def test_named_more_often_than_answered(self, database: Database, home: Path) -> None:
        upload = parted.begin(database, 6)
        ids = [parted.add(database, home, upload, content).id for content in (b"one", b"two")]
        with pytest.raises(PartsDiffer, match="is named 2 times"):
            parted.complete(database, home, upload, [ids[0], ids[0]])
        done = parted.complete(database, home, upload, ids[::-1])
        assert parted.content(database, home, done.file) == b"twoone"

    def test_of_another_upload(self, database: Database, home: Path) -> None:
        one, other = (parted.begin(database, 3) for _ in range(2))
        part = parted.add(database, home, one, b"one")
        with pytest.raises(PartsDiffer, match="has no part"):
            parted.complete(database, home, other, [part.id])


class TestExpired:
    """Nobody has swept yet."""

    def test_takes_nothing(self, database: Database, home: Path) -> None:
        upload = parted.begin(database, 6)
        part = parted.add(database, home, upload, b"one")
        parted.age(database, EXPIRED)
        with pytest.raises(UploadClosed, match="is expired; begin another"):
            parted.add(database, home, upload, b"two")
        with pytest.raises(UploadClosed, match="is expired"):
            parted.add(database, home, upload, b"one", is_retry=True)
        with pytest.raises(UploadClosed, match="is expired"):
            parted.complete(database, home, upload, [part.id])
        with pytest.raises(UploadClosed, match="is expired"), database.write() as session:
            files.cancel(session, upload, ANN)
        assert parted.part_files(home) == {part.id}

    def test_a_part_puts_it_off(self, database: Database, home: Path) -> None:
        upload = parted.begin(database, 6)
        parted.add(database, home, upload, b"one")
        for is_retry in (False, True):
            parted.age(database, LIFETIME - timedelta(seconds=60))
            parted.add(database, home, upload, b"one", is_retry=is_retry)
        parted.age(database, LIFETIME - timedelta(seconds=60))
        parted.add(database, home, upload, b"two")
