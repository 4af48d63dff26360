"""Makes the reference of the recipes from their configurations: each setting's type, bounds, default and meaning."""

from functools import cache
from typing import Any

from pydantic.json_schema import DEFAULT_REF_TEMPLATE

from finery.contracts.described_schemas import schema_of
from finery.contracts.recipe_reference import RecipeReference, RecipeSummary, Setting, SettingGroup
from finery.contracts.recipes.auto_values import AUTO, RULES_IN_WORDS, is_left_to_rule
from finery.contracts.recipes.base import TrainingConfig
from finery.contracts.recipes.groups import GROUPS, UNITS, in_group
from finery.contracts.recipes.list_fields import takes_lists
from finery.contracts.recipes.recipe import RECIPES, Recipe
from finery.contracts.recipes.schema_words import bounds_of, type_of
from finery.kit.printable import printable
from finery.kit.suggest import nearest

ANNOTATIONS = frozenset({"title", "description", "default"})
"""The keys of a field's schema that say nothing of its values."""


def summaries() -> list[RecipeSummary]:
    """Returns the registered recipes, in the order in which they are listed."""
    return [RecipeSummary(name=recipe.name, title=recipe.title) for recipe in RECIPES.values()]


def unknown_recipe(name: str) -> str:
    """Returns what is told of a name that no recipe has: the nearest known one, or all of them."""
    near = nearest(name, RECIPES)
    hint = f"did you mean {near!r}?" if near else f"known: {', '.join(RECIPES)}"
    return f"there is no recipe {printable(name)!r}; {hint}"


@cache
def reference_of(recipe: Recipe) -> RecipeReference:
    schema = config_schema_of(recipe)
    settings = [_setting(name, schema, recipe) for name in schema["properties"]]
    ordered = sorted(settings, key=lambda setting: (not setting.required, setting.is_common))
    return RecipeReference(
        name=recipe.name,
        title=recipe.title,
        settings=ordered,
        groups=_groups([setting.name for setting in ordered]),
        config_schema=schema,
    )


def _groups(names: list[str]) -> list[SettingGroup]:
    groups = [SettingGroup(name=each.name, title=each.title, settings=in_group(each, names)) for each in GROUPS]
    return [group for group in groups if group.settings]


def config_schema_of(recipe: Recipe, *, ref_template: str = DEFAULT_REF_TEMPLATE) -> dict[str, Any]:
    """Returns the JSON schema of the recipe's configuration; where the server can choose a value, it takes `auto`."""
    schema = schema_of(recipe.config, ref_template=ref_template)
    for name, part in schema["properties"].items():
        if is_left_to_rule(recipe, name, AUTO):
            _let_auto(part)
    return schema


def _let_auto(part: dict[str, Any]) -> None:
    """Lets a field's schema take `auto`, beside what it takes already."""
    kept = {key: part.pop(key) for key in ANNOTATIONS & part.keys()}
    others = part.pop("anyOf", None) or [dict(part)]
    part.clear()
    part["anyOf"] = [*others, {"const": AUTO, "type": "string"}]
    part.update(kept)


def _setting(name: str, schema: dict[str, Any], recipe: Recipe) -> Setting:
    part, definitions = schema["properties"][name], schema.get("$defs", {})
    takes_auto = is_left_to_rule(recipe, name, AUTO)
    return Setting(
        name=name,
        type=type_of(part, definitions),
        required=name in schema.get("required", ()),
        default=part.get("default"),
        takes_auto=takes_auto,
        auto_rule=RULES_IN_WORDS[name] if takes_auto else "",
        takes_lists=takes_lists(recipe.config, name),
        unit=UNITS.get(name, ""),
        bounds=bounds_of(part),
        description=part.get("description", ""),
        is_common=issubclass(recipe.config, TrainingConfig) and part == _common_parts().get(name),
    )


@cache
def _common_parts() -> dict[str, Any]:
    """Returns the schemas of the fields that every training has. The trainings take `auto` for the same of them."""
    training = Recipe(name="training", title="", config=TrainingConfig, trainer="")
    parts: dict[str, Any] = config_schema_of(training)["properties"]
    return parts
