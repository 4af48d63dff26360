from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from finery.contracts.permissions import Principal
from finery.contracts.resolved_run import StoredVersion
from finery.contracts.run import Run
from finery.contracts.stored_datasets import Dataset
from finery.db import Database
from finery.domain import datasets, runs
from finery.domain.datasets import DatasetRefused, ResolvedDataset
from finery.domain.datasets.errors import (
    AmbiguousReference,
    ReferenceGone,
    StoredDatasetNotFound,
    VersionNotFound,
)
from finery.domain.runs.errors import InvalidRun
from finery.models import DatasetPinRow, RunRow
from tests import builders
from tests.domain.datasets import stored
from tests.domain.principals import ANN, BOB, LEAD


def resolve(database: Database, home: Path, text: str, actor: Principal = ANN) -> ResolvedDataset | None:
    with database.write() as session:
        return datasets.resolve_reference(session, text, actor, builders.context(home))


def found(database: Database, home: Path, text: str, actor: Principal = ANN) -> tuple[str | None, int | None]:
    resolved = resolve(database, home, text, actor)
    assert resolved is not None
    return resolved.dataset_id, resolved.version


def submit(database: Database, home: Path, actor: Principal = ANN, **config: Any) -> Run:
    with database.write() as session:
        return runs.create(session, builders.sft(home, config=config), builders.context(home), actor)


@pytest.fixture
def rows(database: Database, home: Path) -> Dataset:
    made = stored.create(database, home)
    stored.add(database, home, made, stored.ROW * 2)
    return made


class TestResolveReference:
    @pytest.mark.parametrize("text", ["rows.jsonl", "data/dataset:x", "Dataset:x", ""])
    def test_a_path_is_none(self, database: Database, home: Path, text: str) -> None:
        assert resolve(database, home, text) is None

    def test_by_id_and_name_the_newest_or_the_named(self, database: Database, home: Path, rows: Dataset) -> None:
        for name in (rows.id, "rows"):
            assert found(database, home, f"dataset:{name}") == (rows.id, 2)
            assert found(database, home, f"dataset:{name}@1") == (rows.id, 1)
        resolved = resolve(database, home, "dataset:rows@1")
        assert resolved is not None
        assert resolved.reference == rows.newest.reference
        assert resolved.path.read_bytes() == stored.ROW.encode()

    @pytest.mark.parametrize("text", ["", "other", "ds_0", "rows@", "rows@x", "rows@-1", "rows@1@1", "@1", "ROWS"])
    def test_none_of_this_name(self, database: Database, home: Path, rows: Dataset, text: str) -> None:
        with pytest.raises(StoredDatasetNotFound):
            resolve(database, home, f"dataset:{text}")

    @pytest.mark.parametrize("version", [0, 3, 999_999_999])
    def test_no_such_version(self, database: Database, home: Path, rows: Dataset, version: int) -> None:
        with pytest.raises(VersionNotFound):
            resolve(database, home, f"dataset:rows@{version}")

    def test_others_see_the_shared_ones(self, database: Database, home: Path, rows: Dataset) -> None:
        for name in (rows.id, "rows"):
            with pytest.raises(StoredDatasetNotFound):
                resolve(database, home, f"dataset:{name}", BOB)
            assert found(database, home, f"dataset:{name}", LEAD)[0] == rows.id
        with database.write() as session:
            datasets.change(session, rows.id, ANN, shared=True)
        assert found(database, home, "dataset:rows", BOB)[0] == rows.id

    def test_ones_own_goes_before_others(self, database: Database, home: Path) -> None:
        shared = [stored.create(database, home, name="x", actor=actor, shared=True) for actor in (ANN, LEAD)]
        assert found(database, home, "dataset:x", ANN)[0] == shared[0].id
        with pytest.raises(AmbiguousReference, match=shared[1].id):
            resolve(database, home, "dataset:x", BOB)


class TestPin:
    def test_a_run_pins_the_version_that_it_uses(self, database: Database, home: Path, rows: Dataset) -> None:
        run = submit(database, home, dataset_path="dataset:rows", eval_dataset_path="dataset:rows@1")
        assert run.config["dataset_path"] == run.dataset == f"dataset:{rows.id}@2"
        assert run.config["eval_dataset_path"] == f"dataset:{rows.id}@1"
        assert run.requested["dataset_path"] == "dataset:rows"
        with database.read() as session:
            pins = session.scalars(select(DatasetPinRow).order_by(DatasetPinRow.field)).all()
            spec = session.scalars(select(RunRow.spec)).one()
        assert [(pin.field, pin.dataset_id, pin.version) for pin in pins] == [
            ("dataset_path", rows.id, 2),
            ("eval_dataset_path", rows.id, 1),
        ]
        assert spec.datasets["eval_dataset_path"].path.read_bytes() == stored.ROW.encode()
        stored_as = StoredVersion(dataset=rows.id, version=1, sha256=rows.newest.sha256)
        assert spec.datasets["eval_dataset_path"].stored == stored_as

    def test_a_version_that_comes_later_changes_nothing(self, database: Database, home: Path, rows: Dataset) -> None:
        run = submit(database, home, dataset_path="dataset:rows")
        stored.add(database, home, rows, stored.ROW * 3)
        with database.read() as session:
            spec = session.scalars(select(RunRow.spec).where(RunRow.id == run.id)).one()
        assert spec.datasets["dataset_path"].path.read_bytes() == stored.ROW.encode() * 2

    def test_what_was_deleted_meanwhile(self, database: Database, home: Path, rows: Dataset) -> None:
        resolved = resolve(database, home, "dataset:rows")
        assert resolved is not None
        with database.write() as session:
            datasets.delete(session, rows.id, ANN)
        run = submit(database, home)
        with database.write() as session, pytest.raises(ReferenceGone, match="dataset:rows") as refused:
            datasets.pin(session, run.number, resolved, reference="dataset:rows", field="eval_dataset_path")
        assert refused.value.issues[0].field == "eval_dataset_path"

    def test_refusals_name_the_field(self, database: Database, home: Path, rows: Dataset) -> None:
        for field, text in (("dataset_path", "dataset:none"), ("eval_dataset_path", "dataset:rows@9")):
            with pytest.raises(InvalidRun) as refused:
                submit(database, home, **{field: text})
            assert [issue.field for issue in refused.value.issues] == [field]

    def test_issues_of_the_data_are_said_of_the_reference(self, database: Database, home: Path) -> None:
        stored.create(database, home, '{"prompt": 1, "completion": "b"}\n', name="bad")
        with pytest.raises(DatasetRefused, match=r"^dataset:bad: line 1"):
            submit(database, home, dataset_path="dataset:bad")
