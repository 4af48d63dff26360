"""Tells from a recipe's schema which settings of `finery train` hold several values, so that a sweep is meant."""

from collections.abc import Mapping
from typing import Any

from finery.cli.key_values import parse_value

Schema = Mapping[str, Any]
REFERENCE = "#/$defs/"


def may_be_sweep(settings: Mapping[str, object]) -> bool:
    """Returns whether a sweep could be meant, so that the recipe's schema has to be looked at."""
    return any(isinstance(value, list) or (isinstance(value, str) and "," in value) for value in settings.values())


def with_values(settings: Mapping[str, object], schema: Schema) -> dict[str, object]:
    """Returns the settings, with a list in place of `1e-4,2e-4` where the field takes no text with a comma."""
    return {name: _values_of(name, value, schema) for name, value in settings.items()}


def is_sweep(settings: Mapping[str, object], schema: Schema) -> bool:
    """Returns whether a setting has one list more around it than its field takes, as the server decides it."""
    known = schema.get("properties", {})
    return any(_depth(value) > _depth_taken(known[name], schema) for name, value in settings.items() if name in known)


def _values_of(name: str, value: object, schema: Schema) -> object:
    part = schema.get("properties", {}).get(name)
    if part is None or not isinstance(value, str) or "," not in value or _takes_text(part, schema):
        return value
    return [parse_value(text.strip()) for text in value.split(",")]


def _takes_text(part: Schema, schema: Schema) -> bool:
    """Returns whether any text is a value of the field, so that its commas are a part of it."""
    return any(
        each.get("type") == "string" and not {"enum", "const"} & each.keys() for each in _choices_of(part, schema)
    )


def _depth_taken(part: Schema, schema: Schema) -> int:
    depths = (1 + _depth_taken(each.get("items", {}), schema) for each in _lists_of(part, schema))
    return max(depths, default=0)


def _lists_of(part: Schema, schema: Schema) -> list[Schema]:
    return [each for each in _choices_of(part, schema) if each.get("type") == "array"]


def _choices_of(part: Schema, schema: Schema) -> list[Schema]:
    if isinstance(reference := part.get("$ref"), str):
        return _choices_of(schema["$defs"][reference.removeprefix(REFERENCE)], schema)
    choices = [*part.get("anyOf", ()), *part.get("oneOf", ())]
    return [inner for choice in choices for inner in _choices_of(choice, schema)] or [part]


def _depth(value: object) -> int:
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0
