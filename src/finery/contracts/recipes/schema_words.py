"""Says in words what a JSON schema takes: its type, and the bounds of its values and lengths."""

import json
from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

from finery.kit.translatable import Translatable

Definitions = Mapping[str, dict[str, Any]]
REFERENCE = "#/$defs/"
LENGTHS = (
    ("minLength", "maxLength", Translatable("characters")),
    ("minItems", "maxItems", Translatable("items")),
    ("minProperties", "maxProperties", Translatable("entries")),
)


def type_of(schema: Mapping[str, Any], definitions: Definitions) -> str:
    """Returns for example `number or "auto"`, `list of string`, `"on", "off" or "auto"`. Null goes without saying."""
    *others, last = dict.fromkeys(_types_of(schema, definitions)) or ("any",)
    return f"{', '.join(others)} or {last}" if others else last


def bounds_of(schema: Mapping[str, Any]) -> str:
    """Returns for example `1 to 4096`, `above 0, at most 10`, `at most 16 items`; empty if there are none."""
    found: dict[str, None] = dict.fromkeys(_bounds_in(schema))
    return reduce(lambda one, other: Translatable("{one}; {other}", one=one, other=other), found) if found else ""


def _types_of(schema: Mapping[str, Any], definitions: Definitions) -> Iterator[str]:
    match schema:
        case {"$ref": str(reference)}:
            yield from _types_of(definitions[reference.removeprefix(REFERENCE)], definitions)
        case {"anyOf": list(choices)} | {"oneOf": list(choices)}:
            for choice in choices:
                yield from _types_of(choice, definitions)
        case {"const": value}:
            yield json.dumps(value)
        case {"enum": list(values)}:
            yield from map(json.dumps, values)
        case {"type": "null"}:
            pass
        case {"type": "array", "items": dict(items)}:
            yield f"list of {type_of(items, definitions)}"
        case {"type": "object", "title": str(title), "properties": dict()}:
            yield title
        case {"type": "object", "additionalProperties": dict(values)}:
            yield f"map to {type_of(values, definitions)}"
        case {"type": str(name)}:
            yield name


def _bounds_in(schema: Mapping[str, Any]) -> Iterator[str]:
    for choice in (*schema.get("anyOf", ()), schema):
        if numbers := _range_of(choice):
            yield numbers
        for low, high, unit in LENGTHS:
            if high in choice:
                yield _length(choice.get(low, 0), choice[high], unit)


def _length(least: int, most: int, unit: Translatable) -> Translatable:
    told = f"{most:,}"
    if least:
        return Translatable("{least} to {most} {unit}", least=least, most=told, unit=unit)
    return Translatable("at most {most} {unit}", most=told, unit=unit)


def _range_of(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"minimum": low, "maximum": high}:
            return Translatable("{low} to {high}", low=_number(low), high=_number(high))
    ends = [*_lower_end(schema), *_upper_end(schema)]
    return reduce(lambda one, other: Translatable("{one}, {other}", one=one, other=other), ends) if ends else ""


def _lower_end(schema: Mapping[str, Any]) -> Iterator[str]:
    match schema:
        case {"exclusiveMinimum": low}:
            yield Translatable("above {limit}", limit=_number(low))
        case {"minimum": low}:
            yield Translatable("at least {limit}", limit=_number(low))


def _upper_end(schema: Mapping[str, Any]) -> Iterator[str]:
    match schema:
        case {"exclusiveMaximum": high}:
            yield Translatable("below {limit}", limit=_number(high))
        case {"maximum": high}:
            yield Translatable("at most {limit}", limit=_number(high))


def _number(value: float) -> str:
    return f"{value:,.10g}"
