"""Which recipes train on rows of data, and the kind of example that each makes of a row."""

from finery.contracts.datasets.measurement import NotMeasured
from finery.contracts.recipes import RECIPES
from finery.contracts.recipes.data_rules import ExampleKind


def learning_recipes() -> list[str]:
    """Returns the names of the recipes that train on rows of data."""
    return [recipe.name for recipe in RECIPES.values() if recipe.examples is not None]


def example_kind_of(recipe: str) -> ExampleKind:
    """Returns the kind of example of one of `learning_recipes`."""
    kind = RECIPES[recipe].examples
    assert kind is not None, f"{recipe} learns from no rows"
    return kind


def not_measured(recipe: str) -> NotMeasured:
    """Returns the result for a recipe whose data is not measured in tokens."""
    measured = ", ".join(other.name for other in RECIPES.values() if other.tokens is not None)
    return NotMeasured(reason=f"{recipe} is not measured; {measured} are")
