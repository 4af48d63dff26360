"""What is made of a row, as the recipe says."""

from collections.abc import Callable

from finery.contracts.datasets.measurement import NotMeasured
from finery.contracts.datasets.readers import as_conversation_or_text, as_feedback, as_preference, as_task, as_text
from finery.contracts.datasets.rows import Example, ExampleKind, JsonObject
from finery.contracts.recipes import RECIPES

READER_OF_KIND: dict[ExampleKind, Callable[[JsonObject], Example]] = {
    ExampleKind.CONVERSATION_OR_TEXT: as_conversation_or_text,
    ExampleKind.TEXT: as_text,
    ExampleKind.PREFERENCE: as_preference,
    ExampleKind.FEEDBACK: as_feedback,
    ExampleKind.TASK: as_task,
}


def learning_recipes() -> list[str]:
    """Those that learn from rows of data."""
    return [recipe.name for recipe in RECIPES.values() if recipe.examples is not None]


def kind_of(recipe: str) -> ExampleKind:
    """Of one of `learning_recipes`."""
    kind = RECIPES[recipe].examples
    assert kind is not None, f"{recipe} learns from no rows"
    return kind


def not_measured(recipe: str) -> NotMeasured:
    """What is said of a recipe whose trainer makes no tokens of its rows."""
    measured = ", ".join(other.name for other in RECIPES.values() if other.tokens is not None)
    return NotMeasured(reason=f"{recipe} is not measured; {measured} are")
