"""The reference of the settings, and the page that is made of it."""

import pytest

from finery.contracts.recipe_reference import Setting
from finery.contracts.recipes import RECIPES
from finery.contracts.recipes.reference import reference_of, summaries, unknown_recipe
from tools.recipe_reference import PAGE, page


def setting(recipe: str, name: str) -> Setting:
    return next(each for each in reference_of(RECIPES[recipe]).settings if each.name == name)


class TestReferenceOf:
    @pytest.mark.parametrize("recipe", RECIPES)
    def test_every_setting_is_there_once_and_described(self, recipe: str) -> None:
        settings = reference_of(RECIPES[recipe]).settings
        assert sorted(each.name for each in settings) == sorted(RECIPES[recipe].config.model_fields)
        assert [each.name for each in settings if not each.description.endswith(".")] == []
        assert [each.name for each in settings if each.type == "any"] == []

    def test_a_number(self) -> None:
        rate = setting("dpo", "learning_rate")
        assert (rate.type, rate.bounds, rate.default) == ('number or "auto"', "above 0, at most 10", 5e-7)
        assert (rate.takes_auto, rate.required, rate.is_common) == (True, False, False)

    def test_what_every_training_has_in_common(self) -> None:
        assert setting("sft", "learning_rate").is_common
        assert not setting("sft", "packing").is_common
        assert not setting("command", "output_dir").is_common
        assert {each.name for each in reference_of(RECIPES["grpo"]).settings if each.required} == {
            *("model_name", "dataset_path", "grader")
        }

    def test_what_is_required_comes_first(self) -> None:
        required = [each.required for each in reference_of(RECIPES["sft"]).settings]
        assert required == sorted(required, reverse=True)

    def test_the_schema_takes_auto_where_the_server_does(self) -> None:
        properties = reference_of(RECIPES["sft"]).config_schema["properties"]
        assert {"const": "auto", "type": "string"} in properties["num_epochs"]["anyOf"]
        assert "anyOf" not in properties["seed"]

    def test_the_schema_describes_parts(self) -> None:
        graders = reference_of(RECIPES["grpo"]).config_schema["$defs"]
        missing = [
            (name, field)
            for name, schema in graders.items()
            for field, part in schema.get("properties", {}).items()
            if "description" not in part
        ]
        assert missing == []


class TestSummaries:
    def test_in_the_order_of_the_registry(self) -> None:
        assert [each.name for each in summaries()] == list(RECIPES)


class TestUnknownRecipe:
    def test_the_nearest(self) -> None:
        assert unknown_recipe("sfx") == "there is no recipe 'sfx'; did you mean 'sft'?"
        assert "known: sft, cpt" in unknown_recipe("zzzzzzz")


class TestPage:
    def test_is_what_the_configurations_say(self) -> None:
        assert PAGE.read_text(encoding="utf-8") == page(), "run `make reference`"
