"""What a configuration names is found for every recipe, wherever in it the names stand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel
from sqlalchemy import select, update

from finery.contracts.inputs import DatasetPath, FolderInput, FolderPath, ModelName
from finery.contracts.permissions import Principal
from finery.contracts.recipes import RECIPES, Recipe, RecipeConfig, register
from finery.contracts.recipes.data_rules import ExampleKind
from finery.contracts.run import NewRun, Run
from finery.contracts.status import RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.catalog import list_models
from finery.domain.catalog.errors import ModelNotFound
from finery.domain.datasets import DatasetRefused
from finery.domain.errors import DomainError
from finery.domain.runs.errors import InvalidRun, NoSuchData, OutputTaken
from finery.models import DatasetPinRow, RunRow
from tests import builders
from tests.domain.catalog.test_resolution import make_model, train
from tests.domain.datasets import stored
from tests.domain.principals import ANN, BOB


class Expert(BaseModel):
    base: ModelName = "finery/tiny-qwen"
    dataset: DatasetPath = "rows.jsonl"


class MergeConfig(RecipeConfig):
    """Several bases and several data sets, and nothing of a TrainingConfig."""

    model_name: ModelName = "finery/tiny-llama"
    dataset_path: DatasetPath = "rows.jsonl"
    experts: list[Expert] = []
    images: FolderPath | None = None
    workspace: Annotated[str, FolderInput(may_hold_output=True)] | None = None


class DistilConfig(RecipeConfig):
    teacher: ModelName


@pytest.fixture(autouse=True)
def recipes() -> Iterator[None]:
    shared: dict[str, Any] = {"title": "merging", "config": MergeConfig, "trainer": "nowhere:train"}
    register(Recipe(name="merge", examples=ExampleKind.CONVERSATION_OR_TEXT, **shared))
    register(Recipe(name="paint", **shared))
    register(Recipe(name="distil", **(shared | {"config": DistilConfig})))
    yield
    del RECIPES["merge"], RECIPES["paint"], RECIPES["distil"]


def create(database: Database, home: Path, actor: Principal = ANN, recipe: str = "merge", **config: Any) -> Run:
    builders.write_rows(home)
    with database.write() as session:
        new = NewRun(source="native", recipe=recipe, config=config)
        return runs.create(session, new, builders.context(home), actor)


def refused(
    database: Database, home: Path, kind: type[DomainError], actor: Principal = ANN, **config: Any
) -> list[str]:
    with pytest.raises(kind) as caught:
        create(database, home, actor, **config)
    return [issue.field for issue in caught.value.issues]


def succeed(database: Database, run: Run) -> None:
    with database.write() as session:
        session.execute(update(RunRow).where(RunRow.id == run.uid).values(status=RunStatus.SUCCEEDED, output_key=None))


def row_of(database: Database, run: Run) -> RunRow:
    with database.read() as session:
        return session.scalars(select(RunRow).where(RunRow.id == run.uid)).one()


class TestModels:
    def test_one_that_is_not_there(self, database: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        assert refused(database, home, ModelNotFound, model_name="no/such-model") == ["model_name"]
        assert refused(database, home, InvalidRun, experts=[{}, {"base": "outputs/none"}]) == ["experts.1.base"]

    def test_one_of_another_field_tells_what_was_made_of_it(self, database: Database, home: Path) -> None:
        run = create(database, home, recipe="distil", teacher="finery/tiny-qwen", output_dir="outputs/small")
        make_model(home / "outputs" / "small", run.uid)
        succeed(database, run)
        with database.read() as session:
            listed = {model.name: model.description for model in list_models(session, builders.context(home), ANN)}
        assert run.model_name == "finery/tiny-qwen"
        assert listed["outputs/small"] == "distil of finery/tiny-qwen"
        assert f"ft:finery/tiny-qwen:finery::{run.uid}" in listed

    def test_anothers_private_one_is_not_there(self, database: Database, home: Path) -> None:
        train(database, home, ANN)
        expert = {"base": "outputs/m"}
        assert refused(database, home, InvalidRun, BOB, experts=[expert]) == ["experts.0.base"]
        row = row_of(database, create(database, home, ANN, experts=[expert]))
        assert row.spec.models == {"model_name": "finery/tiny-llama", "experts.0.base": str(home / "outputs" / "m")}

    def test_one_that_an_unfinished_run_needs_is_not_given_up(self, database: Database, home: Path) -> None:
        run_id = train(database, home, ANN)
        create(database, home, experts=[{"base": "outputs/m"}])
        with database.write() as session, pytest.raises(DomainError, match="needed by"):
            runs.forget_output(session, run_id, ANN, builders.context(home).home)

    @pytest.mark.every_database
    @pytest.mark.parametrize("name", ["m", "模型 é", "100%_a"])
    def test_the_output_replaces_none_that_an_adapter_needs(self, database: Database, home: Path, name: str) -> None:
        base = home / "outputs" / name
        train(database, home, ANN)
        if name != "m":
            (home / "outputs" / "m").rename(base)
        adapter = create(database, home, experts=[{}, {"base": f"./outputs/{name}"}], output_dir="outputs/adapter")
        succeed(database, adapter)
        make_model(home / "outputs" / "adapter", adapter.uid)
        (home / "outputs" / "adapter" / "adapter_config.json").write_text("{}")
        with pytest.raises(OutputTaken, match="the adapter of run"):
            create(database, home, output_dir=f"outputs/{name}")


class TestData:
    def test_what_is_not_there(self, database: Database, home: Path) -> None:
        for recipe in ("merge", "paint"):
            assert refused(database, home, NoSuchData, recipe=recipe, dataset_path="not-there") == ["dataset_path"]
            experts = [{}, {"dataset": "dataset:none"}]
            assert refused(database, home, NoSuchData, recipe=recipe, experts=experts) == ["experts.1.dataset"]

    def test_an_unknown_file_is_told_with_its_place(self, database: Database, home: Path) -> None:
        with pytest.raises(DomainError, match=r"^experts\.1\.dataset: there is no file 'file-nope'") as error:
            create(database, home, experts=[{}, {"dataset": "file-nope"}])
        assert [(issue.field, issue.code) for issue in error.value.issues] == [("experts.1.dataset", "file_not_found")]

    def test_every_row_of_each_is_looked_at_where_the_recipe_learns_from_rows(
        self, database: Database, home: Path
    ) -> None:
        (home / "bad.jsonl").write_text('{"question": "without an answer"}\n')
        with pytest.raises(DatasetRefused, match="answer"):
            create(database, home, experts=[{"dataset": "bad.jsonl"}])
        assert create(database, home, recipe="paint", experts=[{"dataset": "bad.jsonl"}]).dataset == "rows.jsonl"

    def test_anothers_output_holds_none(self, database: Database, home: Path) -> None:
        train(database, home, ANN)
        (home / "outputs" / "m" / "rows.jsonl").write_text(builders.ROW)
        experts = [{"dataset": "outputs/m/rows.jsonl"}]
        for recipe in ("merge", "paint"):
            assert refused(database, home, NoSuchData, BOB, recipe=recipe, experts=experts) == ["experts.0.dataset"]
            assert create(database, home, ANN, recipe=recipe, experts=experts)

    def test_stored_ones_are_pinned_by_their_fields(self, database: Database, home: Path) -> None:
        first, second = (stored.create(database, home, stored.ROW * count, name=f"d{count}") for count in (1, 2))
        run = create(database, home, dataset_path="dataset:d1", experts=[{}, {"dataset": "dataset:d2"}])
        with database.read() as session:
            pins = {pin.field: pin.dataset_id for pin in session.scalars(select(DatasetPinRow))}
        assert pins == {"dataset_path": first.id, "experts.1.dataset": second.id}
        assert run.dataset == f"dataset:{first.id}@1"
        assert [expert["dataset"] for expert in run.config["experts"]] == ["rows.jsonl", f"dataset:{second.id}@1"]
        kept = row_of(database, run).spec.datasets["experts.1.dataset"].stored
        assert kept is not None
        assert (kept.dataset, kept.version) == (second.id, 1)


class TestFolders:
    def test_what_is_no_folder(self, database: Database, home: Path) -> None:
        train(database, home, ANN)
        assert refused(database, home, InvalidRun, images="rows.jsonl") == ["images"]
        assert refused(database, home, InvalidRun, BOB, images="outputs/m") == ["images"]
        assert row_of(database, create(database, home, images="outputs/m")).spec.folders == {
            "images": home / "outputs" / "m"
        }

    def test_the_output_lies_in_none_that_is_read(self, database: Database, home: Path) -> None:
        folder = home / "outputs" / "pictures"
        folder.mkdir(parents=True)
        places = {"images": "outputs/pictures", "output_dir": "outputs/pictures/model"}
        assert refused(database, home, OutputTaken, **places) == ["output_dir"]
        places["workspace"] = places.pop("images")
        assert create(database, home, **places).output_dir == "outputs/pictures/model"
