"""The shapes that a dataset row may have, told apart by their keys."""

from collections.abc import Iterable
from enum import StrEnum

from finery.contracts.datasets.rows import ExampleKind, JsonObject, RowRefused


class Shape(StrEnum):
    ALPACA = "alpaca"
    """{instruction, input?, output, history?, system?, tools?}"""
    MESSAGES = "messages"
    """{messages: [{role, content}…], tools?}"""
    SHAREGPT = "sharegpt"
    """{conversations: [{from, value}…], system?, tools?}"""
    PROMPT_COMPLETION = "prompt_completion"
    """{prompt, completion}: both text, or lists of messages."""
    QUESTION_ANSWER = "question_answer"
    """{question, answer, system?}"""
    TEXT = "text"
    """{text}"""
    PREFERENCE = "preference"
    """{prompt, chosen, rejected}: text, lists of messages, or whole conversations."""
    IMPLICIT_PREFERENCE = "implicit_preference"
    """{chosen, rejected}: whole conversations that begin alike."""
    ALPACA_PREFERENCE = "alpaca_preference"
    """{instruction, input?, chosen, rejected}"""
    MESSAGES_PREFERENCE = "messages_preference"
    """{messages, chosen, rejected}"""
    SHAREGPT_PREFERENCE = "sharegpt_preference"
    """{conversations, chosen: {from, value}, rejected: {from, value}}"""
    OPENAI_PREFERENCE = "openai_preference"
    """{input: {messages, tools?}, preferred_output, non_preferred_output}"""
    FEEDBACK = "feedback"
    """{prompt, completion, label|kto_tag}"""
    ALPACA_FEEDBACK = "alpaca_feedback"
    """{instruction, input?, output, label|kto_tag}"""
    MESSAGES_FEEDBACK = "messages_feedback"
    """{messages, label|kto_tag}: the label is of the last message."""
    SHAREGPT_FEEDBACK = "sharegpt_feedback"
    """{conversations, label|kto_tag}"""
    PROMPT = "prompt"
    """{prompt, system?, …}: text, or a list of messages; a grader may name any other field."""


LABEL = "label"
LABEL_KEYS = ("kto_tag", LABEL)
LABELS = {"true": True, "1": True, "false": False, "0": False}

KEYS: dict[Shape, tuple[str, ...]] = {
    Shape.SHAREGPT_FEEDBACK: ("conversations", LABEL),
    Shape.MESSAGES_FEEDBACK: ("messages", LABEL),
    Shape.ALPACA_FEEDBACK: ("instruction", "output", LABEL),
    Shape.FEEDBACK: ("prompt", "completion", LABEL),
    Shape.SHAREGPT_PREFERENCE: ("conversations", "chosen", "rejected"),
    Shape.ALPACA_PREFERENCE: ("instruction", "chosen", "rejected"),
    Shape.PREFERENCE: ("prompt", "chosen", "rejected"),
    Shape.MESSAGES_PREFERENCE: ("messages", "chosen", "rejected"),
    Shape.IMPLICIT_PREFERENCE: ("chosen", "rejected"),
    Shape.OPENAI_PREFERENCE: ("input", "preferred_output", "non_preferred_output"),
    Shape.MESSAGES: ("messages",),
    Shape.SHAREGPT: ("conversations",),
    Shape.ALPACA: ("instruction", "output"),
    Shape.PROMPT_COMPLETION: ("prompt", "completion"),
    Shape.QUESTION_ANSWER: ("question", "answer"),
    Shape.TEXT: ("text",),
    Shape.PROMPT: ("prompt",),
}
"""What each needs, in the order in which they are tried: a row of the later ones may be one of the former too."""

FEEDBACK_SHAPES = tuple(shape for shape in KEYS if shape.value.endswith("feedback"))
PREFERENCE_SHAPES = tuple(shape for shape in KEYS if shape.value.endswith("preference"))
CONVERSATION_SHAPES = (
    Shape.MESSAGES,
    Shape.SHAREGPT,
    Shape.ALPACA,
    Shape.PROMPT_COMPLETION,
    Shape.QUESTION_ANSWER,
)

TASK_SHAPES = (Shape.MESSAGES, Shape.PROMPT, Shape.QUESTION_ANSWER, Shape.ALPACA)

SHAPES_OF_KIND: dict[ExampleKind, tuple[Shape, ...]] = {
    ExampleKind.CONVERSATION_OR_TEXT: (*CONVERSATION_SHAPES, Shape.TEXT),
    ExampleKind.TEXT: (Shape.TEXT,),
    ExampleKind.PREFERENCE: PREFERENCE_SHAPES,
    ExampleKind.FEEDBACK: FEEDBACK_SHAPES,
    ExampleKind.TASK: TASK_SHAPES,
}


def recipes_for(shape: Shape) -> list[str]:
    # A recipe says in words of this package what it learns from, so that the package cannot begin with the recipes.
    from finery.contracts.recipes import RECIPES

    return [
        recipe.name
        for recipe in RECIPES.values()
        if recipe.examples is not None and shape in SHAPES_OF_KIND[recipe.examples]
    ]


def misplaced(shape: Shape, wanted: Iterable[Shape] = ()) -> RowRefused:
    """The refusal of a row that fits another recipe; `wanted`: what would fit this one."""
    needed = f"; needed here: {_keys_of(wanted)}" if wanted else ""
    return RowRefused("", f"is of shape {shape.value}, which serves {' and '.join(recipes_for(shape))}{needed}")


def _keys_of(shapes: Iterable[Shape]) -> str:
    """The plainest first."""
    ordered = sorted(shapes, key=lambda shape: (shape in FEEDBACK_SHAPES, shape in PREFERENCE_SHAPES))
    return "; or ".join(", ".join(KEYS[shape]) for shape in ordered)


def shape_of(row: JsonObject, among: Iterable[Shape] = KEYS) -> Shape:
    """The first shape whose keys the row has. Raises RowRefused naming the nearest shape and the missing key."""
    shapes = tuple(among)
    for shape in shapes:
        if all(_has(row, key) for key in KEYS[shape]):
            return shape
    raise _unshaped(row, shapes)


def label_of(row: JsonObject) -> bool | None:
    """The row's verdict; None when it has none that reads as true or false."""
    for key in LABEL_KEYS:
        value = row.get(key)
        if isinstance(value, bool | int | str) and (label := LABELS.get(str(value).strip().lower())) is not None:
            return label
    return None


def _has(row: JsonObject, key: str) -> bool:
    return label_of(row) is not None if key is LABEL else row.get(key) is not None


def _unshaped(row: JsonObject, shapes: tuple[Shape, ...]) -> RowRefused:
    nearest = max(shapes, key=lambda shape: sum(_has(row, key) for key in KEYS[shape]) / len(KEYS[shape]))
    missing = [key for key in KEYS[nearest] if not _has(row, key)]
    # A lone prompt is a part of most shapes: it tells of none.
    others = (shape for shape in KEYS if shape is not Shape.PROMPT)
    other = next((shape for shape in others if all(_has(row, key) for key in KEYS[shape])), None)
    if other and not (len(missing) == 1 and set(KEYS[other]) < set(KEYS[nearest])):
        return misplaced(other, shapes)
    if len(missing) == len(KEYS[nearest]):
        return RowRefused("", f"has the keys of no shape; one of these is needed: {_keys_of(shapes)}")
    if missing[0] == LABEL and (unreadable := [key for key in LABEL_KEYS if row.get(key) is not None]):
        return RowRefused(unreadable[0], "must be true or false")
    return RowRefused(missing[0], f"missing; a row of shape {nearest.value} needs {', '.join(KEYS[nearest])}")
