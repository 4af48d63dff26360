"""Which recipes learn from rows, and of which kind."""

from finery.contracts.datasets.measurement import NotMeasured
from finery.contracts.recipes import RECIPES
from finery.contracts.recipes.data_rules import ExampleKind


def learning_recipes() -> list[str]:
    """Those that learn from rows of data."""
    return [recipe.name for recipe in RECIPES.values() if recipe.examples is not None]


def example_kind_of(recipe: str) -> ExampleKind:
    """Of one of `learning_recipes`."""
    kind = RECIPES[recipe].examples
    assert kind is not None, f"{recipe} learns from no rows"
    return kind


def not_measured(recipe: str) -> NotMeasured:
    """What is said of a recipe whose trainer makes no tokens of its rows."""
    measured = ", ".join(other.name for other in RECIPES.values() if other.tokens is not None)
    return NotMeasured(reason=f"{recipe} is not measured; {measured} are")
