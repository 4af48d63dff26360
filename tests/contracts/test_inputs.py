from typing import Annotated, Any

from pydantic import BaseModel

from finery.contracts.inputs import DatasetInput, DatasetPath, FolderInput, FolderPath, ModelName, inputs_of, replaced
from finery.contracts.recipes import RECIPES, RecipeConfig


class Expert(BaseModel):
    domain: str
    dataset: Annotated[str, DatasetInput(entry="entry")]
    entry: str | None = None
    held_out: Annotated[str, DatasetInput(validates="dataset")] | None = None


class MergeConfig(RecipeConfig):
    title: str = "plain text names nothing"
    bases: list[ModelName]
    experts: dict[str, Expert] = {}
    extra: DatasetPath | None = None
    images: list[FolderPath] = []
    workspace: Annotated[str, FolderInput(may_hold_output=True)] = "."


CONFIG = MergeConfig.model_validate(
    {
        "bases": ["a/b", "./c"],
        "experts": {"roads": {"domain": "x", "dataset": "roads", "entry": "all", "held_out": "other.jsonl"}},
        "images": ["cats"],
    }
)


class TestInputsOf:
    def test_lists_maps_and_parts_are_looked_into(self) -> None:
        found = {one.field: (type(one.kind).__name__, one.name) for one in inputs_of(CONFIG)}
        assert found == {
            "bases.0": ("ModelInput", "a/b"),
            "bases.1": ("ModelInput", "./c"),
            "experts.roads.dataset": ("DatasetInput", "roads"),
            "experts.roads.held_out": ("DatasetInput", "other.jsonl"),
            "images.0": ("FolderInput", "cats"),
            "workspace": ("FolderInput", "."),
        }

    def test_what_stands_beside_data(self) -> None:
        learned, held_out = (one for one in inputs_of(CONFIG) if isinstance(one.kind, DatasetInput))
        assert (learned.entry, learned.validates) == ("all", None)
        assert (held_out.entry, held_out.validates) == (None, "experts.roads.dataset")

    def test_every_training_has_a_model_and_data(self) -> None:
        for recipe in RECIPES.values():
            values: dict[str, Any] = {"model_name": "m", "dataset_path": "d", "eval_dataset_path": "e"}
            if recipe.name == "grpo":
                judge = {"type": "score_model", "model": "j", "input": [{"role": "user", "content": "?"}]}
                values["grader"] = {"type": "multi", "graders": {"a": judge}, "calculate_output": "a"}
            if recipe.examples is not None:
                fields = {one.field: one.name for one in inputs_of(recipe.config.model_validate(values))}
                assert fields.pop("grader.graders.a.model", "j") == "j"
                assert fields == {"model_name": "m", "dataset_path": "d", "eval_dataset_path": "e"}


class TestReplaced:
    def test_names_at_their_places(self) -> None:
        places = {one.field: one.place for one in inputs_of(CONFIG)}
        config = replaced(
            CONFIG.model_dump(mode="json"), {places["experts.roads.dataset"]: "dataset:1@2", places["bases.1"]: "d"}
        )
        assert config == CONFIG.model_dump(mode="json") | {
            "bases": ["a/b", "d"],
            "experts": {"roads": CONFIG.experts["roads"].model_dump() | {"dataset": "dataset:1@2"}},
        }
