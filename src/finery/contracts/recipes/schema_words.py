"""Says in words what a JSON schema takes: its type, and the bounds of its values and lengths."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

Definitions = Mapping[str, dict[str, Any]]
REFERENCE = "#/$defs/"


def type_of(schema: Mapping[str, Any], definitions: Definitions) -> str:
    """Returns for example `number or "auto"`, `list of string`, `"on", "off" or "auto"`. Null goes without saying."""
    *others, last = dict.fromkeys(_types_of(schema, definitions)) or ("any",)
    return f"{', '.join(others)} or {last}" if others else last


def bounds_of(schema: Mapping[str, Any], definitions: Definitions) -> str:
    """Returns for example `1 to 4096`, `above 0, at most 10`, `at most 16 items`; empty if there are none."""
    return "; ".join(dict.fromkeys(_bounds_in(schema, definitions)))


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


def _bounds_in(schema: Mapping[str, Any], definitions: Definitions) -> Iterator[str]:
    for choice in (*schema.get("anyOf", ()), schema):
        if numbers := _range_of(choice):
            yield numbers
        for low, high, unit in (
            ("minLength", "maxLength", "characters"),
            ("minItems", "maxItems", "items"),
            ("minProperties", "maxProperties", "entries"),
        ):
            if high in choice:
                least = choice.get(low, 0)
                yield f"{least} to {choice[high]:,} {unit}" if least else f"at most {choice[high]:,} {unit}"


def _range_of(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{_number(low)} to {_number(high)}"
    words: tuple[tuple[str, float | None], ...] = (
        ("above", schema.get("exclusiveMinimum")),
        ("at least", low),
        ("below", schema.get("exclusiveMaximum")),
        ("at most", high),
    )
    return ", ".join(f"{word} {_number(value)}" for word, value in words if value is not None)


def _number(value: float) -> str:
    return f"{value:,.10g}"
