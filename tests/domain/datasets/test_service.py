from functools import partial
from pathlib import Path

import pytest

from finery.contracts.permissions import SERVER, Principal
from finery.contracts.stored_datasets import Dataset
from finery.db import Database
from finery.domain import datasets, runs
from finery.domain.cursors import BadCursor
from finery.domain.datasets.errors import (
    DatasetInUse,
    DatasetNameTaken,
    DatasetNotYours,
    InvalidDatasetField,
    StoredDatasetNotFound,
)
from tests import builders
from tests.domain.datasets import stored
from tests.domain.principals import ANN, BOB, LEAD, NO_ACCOUNT


def visible(database: Database, actor: Principal) -> list[str]:
    with database.read() as session:
        return [each.name for each in datasets.list_page(session, actor, limit=100).datasets]


def change(database: Database, dataset: Dataset, actor: Principal = ANN, **changes: object) -> Dataset:
    with database.write() as session:
        return datasets.change(session, dataset.id, actor, **changes)  # type: ignore[arg-type]


def delete(database: Database, dataset: Dataset, actor: Principal = ANN) -> None:
    with database.write() as session:
        datasets.delete(session, dataset.id, actor)


class TestCreate:
    def test_has_its_first_version(self, database: Database, home: Path) -> None:
        made = stored.create(database, home, name="Train ", note="from Monday")
        assert (made.name, made.owner_id, made.shared) == ("Train", ANN.user_id, False)
        newest = made.newest
        assert (newest.version, newest.note, newest.created_by) == (1, "from Monday", "ann")
        assert newest.reference == f"dataset:{made.id}@1"
        assert (newest.suffix, newest.size_bytes) == (".jsonl", len(stored.ROW))
        assert stored.read(database, home, made) == stored.ROW.encode()
        [file] = stored.files(home)
        assert file.name.startswith(newest.sha256)
        assert file.name.endswith(".jsonl")

    def test_without_a_name_it_is_called_as_its_file(self, database: Database, home: Path) -> None:
        names = [("rows.jsonl.gz", "rows"), ("my@data.csv", "my_data"), ("ds_1.json", "1"), (".json", ".json")]
        for filename, name in names:
            assert stored.create(database, home, filename=filename).name == name

    def test_the_same_file_again_adds_nothing(self, database: Database, home: Path) -> None:
        first = stored.create(database, home)
        assert stored.create(database, home) == first

    def test_a_file_of_the_same_name_is_the_next_version(self, database: Database, home: Path) -> None:
        first = stored.create(database, home)
        second = stored.create(database, home, stored.ROW * 2)
        assert (second.id, second.newest.version) == (first.id, 2)
        assert stored.read(database, home, first, 1) == stored.ROW.encode()

    def test_a_given_name_is_not_taken_twice(self, database: Database, home: Path) -> None:
        stored.create(database, home, name="a")
        with pytest.raises(DatasetNameTaken):
            stored.create(database, home, stored.ROW * 2, name="a")
        assert stored.create(database, home, name="a", actor=BOB).name == "a"
        assert stored.create(database, home, name="A").name == "A"

    @pytest.mark.parametrize("name", ["x" * 201, "a@1", "ds_1", "a\nb", "a\N{RIGHT-TO-LEFT OVERRIDE}b", "a\0", " \t"])
    def test_bad_name(self, database: Database, home: Path, name: str) -> None:
        with pytest.raises(InvalidDatasetField):
            stored.create(database, home, name=name)
        assert stored.files(home) == []

    @pytest.mark.parametrize("name", ["모델 데이터", "\N{GRINNING FACE}", "a/b", "x" * 200])
    def test_odd_name(self, database: Database, home: Path, name: str) -> None:
        assert stored.create(database, home, name=name).name == name


class TestVisibility:
    def test_private_ones_are_their_owners_and_those_who_see_all(self, database: Database, home: Path) -> None:
        stored.create(database, home, name="ann's")
        stored.create(database, home, name="shared", shared=True)
        stored.create(database, home, name="nobody's", actor=SERVER)
        assert visible(database, ANN) == ["shared", "ann's"]
        assert visible(database, BOB) == visible(database, NO_ACCOUNT) == ["shared"]
        assert visible(database, LEAD) == ["nobody's", "shared", "ann's"]

    def test_others_find_nothing(self, database: Database, home: Path) -> None:
        made = stored.create(database, home)
        with database.read() as session, pytest.raises(StoredDatasetNotFound):
            datasets.get(session, made.id, BOB)
        with pytest.raises(StoredDatasetNotFound):
            delete(database, made, BOB)

    def test_shared_is_not_given_away(self, database: Database, home: Path) -> None:
        made = stored.create(database, home, shared=True)
        for actor in (BOB, NO_ACCOUNT):
            with pytest.raises(DatasetNotYours):
                delete(database, made, actor)
            with pytest.raises(DatasetNotYours):
                change(database, made, actor, name="mine")
            with pytest.raises(DatasetNotYours):
                stored.add(database, home, made, "x", actor=actor)
        assert change(database, made, LEAD, shared=False).shared is False


class TestListPage:
    def test_page_by_page(self, database: Database, home: Path) -> None:
        for number in range(5):
            stored.create(database, home, f"{number}", name=f"n{number}")
        found: list[str] = []
        cursor = None
        while True:
            with database.read() as session:
                page = datasets.list_page(session, ANN, limit=2, cursor=cursor)
            found += [each.name for each in page.datasets]
            if (cursor := page.next_cursor) is None:
                break
        assert found == ["n4", "n3", "n2", "n1", "n0"]

    def test_by_name(self, database: Database, home: Path) -> None:
        for name in ("a", "b"):
            stored.create(database, home, name=name)
        with database.read() as session:
            assert [each.name for each in datasets.list_page(session, ANN, limit=9, name="b").datasets] == ["b"]

    def test_by_the_beginning_of_the_id(self, database: Database, home: Path) -> None:
        made = stored.create(database, home, name="a").id
        stored.create(database, home, name="b")
        with database.read() as session:
            begins = partial(datasets.list_page, session, ANN, limit=9)
            assert [each.id for each in begins(id_prefix=made[:9]).datasets] == [made]
            assert len(begins(id_prefix="ds_").datasets) == 2
            assert begins(id_prefix=made[:9].upper()).datasets == []
            assert begins(id_prefix="%").datasets == []

    @pytest.mark.parametrize("cursor", ["", "x", "-1", "1" * 19, "²"])
    def test_bad_cursor(self, database: Database, cursor: str) -> None:
        with database.read() as session, pytest.raises(BadCursor):
            datasets.list_page(session, ANN, limit=9, cursor=cursor)


class TestChange:
    def test_name_and_sharing(self, database: Database, home: Path) -> None:
        made = stored.create(database, home)
        assert change(database, made, name="other").name == "other"
        assert change(database, made, shared=True).shared
        assert visible(database, BOB) == ["other"]

    def test_taken_name(self, database: Database, home: Path) -> None:
        stored.create(database, home, name="a")
        made = stored.create(database, home, name="b")
        with pytest.raises(DatasetNameTaken):
            change(database, made, name="a")
        assert sorted(visible(database, ANN)) == ["a", "b"]


class TestDelete:
    def test_versions_go_and_their_files_with_the_next_sweep(self, database: Database, home: Path) -> None:
        made = stored.create(database, home)
        stored.add(database, home, made, stored.ROW * 2)
        delete(database, made)
        assert visible(database, ANN) == []
        assert len(stored.files(home)) == 2
        assert len(stored.sweep(database, home)) == 2
        assert stored.files(home) == []

    def test_what_another_dataset_holds_stays(self, database: Database, home: Path) -> None:
        made = stored.create(database, home)
        other = stored.create(database, home, actor=LEAD, shared=True)
        delete(database, made)
        assert stored.sweep(database, home) == []
        assert stored.read(database, home, other) == stored.ROW.encode()

    def test_refused_while_a_run_needs_it(self, database: Database, home: Path) -> None:
        made = stored.create(database, home)
        new = builders.sft(home, id="r1", config={"dataset_path": f"dataset:{made.id}"})
        with database.write() as session:
            run = runs.create(session, new, builders.context(home), ANN)
        with pytest.raises(DatasetInUse, match=run.uid):
            delete(database, made)
        with database.write() as session:
            runs.request_cancel(session, "r1", ANN)
        delete(database, made)
        assert len(stored.sweep(database, home)) == 1
        with database.read() as session:
            run = runs.get(session, "r1", ANN)
        assert run.config["dataset_path"] == run.dataset == made.newest.reference
