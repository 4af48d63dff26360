"""Says in plain words what is wrong with a field that pydantic has refused."""

import re
from collections.abc import Mapping
from typing import Any

from finery.kit.suggest import nearest
from finery.kit.translatable import Translatable, message_of

SENTENCES: Mapping[str, str] = {
    "missing": "missing; give it",
    "extra_forbidden": "unknown key; leave it out",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "has too many digits; give a smaller number",
    "int_from_float": "must be a whole number, without a fraction",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "multiple_of": "must be a multiple of {multiple_of}",
    "string_type": "must be text",
    "string_unicode": "must be text in valid Unicode",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "list_type": "must be a list",
    "dict_type": "must be an object of keys and values",
    "model_type": "must be an object of keys and values",
    "model_attributes_type": "must be an object of keys and values",
    "too_short": "must have at least {min_length} items, not {actual_length}",
    "too_long": "must have at most {max_length} items",
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
    "none_required": "must be null",
    "union_tag_invalid": "{discriminator} must be {expected_tags}",
    "union_tag_not_found": "{discriminator} is missing; give it",
    "datetime_type": "must be a time with its zone, as 2026-11-21T08:30:00Z",
    "datetime_parsing": "must be a time with its zone, as 2026-11-21T08:30:00Z",
    "datetime_from_date_parsing": "must be a time with its zone, as 2026-11-21T08:30:00Z",
    "timezone_aware": "must be a time with its zone, as 2026-11-21T08:30:00Z",
}
"""A type of pydantic's errors → what is told of it, with the places that its context fills."""

Detail = Mapping[str, Any]
"""An item of pydantic's `ValidationError.errors()`."""


def sentence_of(detail: Detail) -> str:
    """Returns what is wrong and what would be right, or the sentence of the ValueError that a validator has raised."""
    context = detail.get("ctx", {})
    if isinstance(error := context.get("error"), ValueError):
        return message_of(error)
    if context.get("min_length") == 1:
        return Translatable("must not be empty")
    template = SENTENCES.get(detail["type"])
    if template is None:
        return str(detail["msg"])
    if "expected" in context:
        message = _one_of(str(_written(context["expected"])))
    else:
        message = Translatable(template, **{name: _written(value) for name, value in context.items()})
    near = _word_meant(detail, context)
    if near is None:
        return message
    return Translatable("{message}{hint}", message=message, hint=Translatable("; did you mean {near!r}?", near=near))


def _one_of(expected: str) -> Translatable:
    """Returns the sentence about the words that are taken, which pydantic writes as `'a', 'b' or 'c'`."""
    first, _, last = expected.rpartition(" or ")
    if not first:
        return Translatable("must be {expected}", expected=last)
    return Translatable("must be one of {expected}", expected=f"{first}, {last}")


def _word_meant(detail: Detail, context: Mapping[str, Any]) -> str | None:
    """Returns the word that is nearest to the given one, where only some words are taken."""
    given = detail.get("input")
    if detail["type"] not in ("literal_error", "enum") or not isinstance(given, str):
        return None
    return nearest(given, re.findall("'([^']*)'", str(context["expected"])))


def _written(value: object) -> object:
    """Returns a value as JSON has it, and a number without a point where nothing follows it."""
    if isinstance(value, str):
        return re.sub(r"\b(True|False)\b", lambda found: found.group().lower(), value)
    return int(value) if isinstance(value, float) and value.is_integer() else value
