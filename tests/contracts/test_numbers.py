from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from finery.contracts.numbers import StrictNumbers
from finery.contracts.recipes import RECIPES, SftConfig


class Model(StrictNumbers):
    whole: int = 0
    broken: Annotated[float, Field(ge=0.0)] = 0.0
    perhaps: Annotated[int, Field(ge=0)] | None = None
    word: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    switch: bool = False
    either: bool | int = 0
    anything: Any = None


class TestPlainNumbers:
    @pytest.mark.parametrize("name", ["whole", "broken", "perhaps", "word"])
    @pytest.mark.parametrize("value", [True, False])
    def test_a_boolean_is_no_number(self, name: str, value: bool) -> None:
        with pytest.raises(ValidationError, match=name):
            Model.model_validate({name: value})

    @pytest.mark.parametrize("name", ["switch", "either", "anything"])
    def test_elsewhere_it_is_what_it_is(self, name: str) -> None:
        assert Model.model_validate({name: True}).model_dump()[name] is True

    @pytest.mark.parametrize(("name", "value"), [("whole", 1), ("broken", "1e-5"), ("perhaps", None), ("word", "auto")])
    def test_numbers_stay(self, name: str, value: Any) -> None:
        assert name in Model.model_validate({name: value}).model_fields_set

    @pytest.mark.parametrize("name", ["learning_rate", "num_epochs", "batch_size", "max_steps", "seed"])
    def test_a_recipes(self, name: str) -> None:
        with pytest.raises(ValidationError, match="not true or false"):
            SftConfig.model_validate({"model_name": "m", "dataset_path": "d", name: True})

    def test_every_recipe_has_it(self) -> None:
        assert all(issubclass(recipe.config, StrictNumbers) for recipe in RECIPES.values())
