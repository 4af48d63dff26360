"""What may be registered as a recipe, and what every configuration refuses."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from finery.contracts.recipes import RECIPES
from finery.contracts.recipes.base import RecipeConfig, RecipePart
from finery.contracts.recipes.recipe import register


class Part(RecipePart):
    weight: float = 1.0


class Config(RecipeConfig):
    seconds: float = 1.0
    parts: list[Part] = []


class TestRegister:
    @pytest.mark.parametrize("name", ["", "Ab c/\n", "x" * 33, "sft"])
    def test_a_name_can_be_one_and_is_free(self, name: str) -> None:
        with pytest.raises(ValueError, match="recipe"):
            register(replace(RECIPES["sft"], name=name))
        assert RECIPES["sft"].name == "sft"

    @pytest.mark.parametrize("trainer", ["", "module", "module:", ":function"])
    def test_a_trainer_is_a_function_of_a_module(self, trainer: str) -> None:
        with pytest.raises(ValueError, match="module:function"):
            register(replace(RECIPES["sft"], name="echo", trainer=trainer))
        assert "echo" not in RECIPES


class TestConfig:
    @pytest.mark.parametrize(
        "given",
        [
            {"seconds": "Infinity"},
            {"seconds": float("nan")},
            {"seconds": True},
            {"parts": [{"weight": "-inf"}]},
            {"parts": [{"weight": True}]},
            {"parts": [{"wieght": 1}]},
        ],
    )
    def test_refuses_in_parts_too(self, given: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            Config.model_validate(given)
