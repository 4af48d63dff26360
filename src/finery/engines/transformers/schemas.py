"""Bounds on JSON schemas in requests: compiling and following a huge one would slow down all requests."""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

MAX_CHARACTERS = 32 * 1024
MAX_DEPTH = 32
MAX_TEXT = 2048
# Texts for readers, which no answer holds, are not counted.
REMARKS = ("description", "title", "$comment")
SCHEMAS_BY_NAME = frozenset(("properties", "patternProperties", "$defs", "definitions"))
LISTS_OF_SCHEMAS = frozenset(("anyOf", "oneOf", "allOf", "prefixItems"))
SCHEMAS = frozenset(("items", "additionalProperties"))
SAYS_ITSELF = frozenset(("additionalProperties", "patternProperties", "unevaluatedProperties"))
# The automaton that recognizes multiples has as many states as the multiple.
MAX_MULTIPLE = 1000


class SchemaRefused(ValueError):
    """The schema is out of bounds; the message says how."""


def check_bounds(schema: dict[str, Any]) -> None:
    """Raises SchemaRefused for a schema that is too large, too deep or out of llguidance's reach."""
    if "x-guidance" in schema:
        raise SchemaRefused("x-guidance is no keyword of JSON schemas")
    size = 0
    steps: set[Fraction] = set()
    for key, part, depth in parts_of(schema):
        if depth > MAX_DEPTH:
            raise SchemaRefused(f"it is more than {MAX_DEPTH} levels deep")
        if key in REMARKS and isinstance(part, str):
            continue
        if max(len(key), len(part) if isinstance(part, str) else 0) > MAX_TEXT:
            raise SchemaRefused(f"it has a text of more than {MAX_TEXT} characters")
        size += len(key) + (len(part) if isinstance(part, str) else 1)
        if size > MAX_CHARACTERS:
            raise SchemaRefused(f"it is longer than {MAX_CHARACTERS} characters")
        if key == "multipleOf" and isinstance(part, int | float) and part > 0:
            steps.add(Fraction(str(part)))
    check_multiples(steps)


def parts_of(schema: dict[str, Any]) -> Iterator[tuple[str, object, int]]:
    """Yields every part of the schema with its key (empty in a list) and its depth."""
    waiting: list[tuple[str, object, int]] = [("", schema, 1)]
    while waiting:
        key, part, depth = waiting.pop()
        yield key, part, depth
        if isinstance(part, dict):
            waiting += [(name, value, depth + 1) for name, value in part.items()]
        elif isinstance(part, list):
            waiting += [("", value, depth + 1) for value in part]


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Returns the schema with `additionalProperties: false` at each object that names properties and does not say.

    Without it an answer may go on with keys of its own until its tokens run out. A schema that joins parts (`allOf`, or
    `$ref` beside properties) stays as it is: parts that are closed would forbid each other's properties.
    """
    if any(_joins_parts(part) for _, part, _ in parts_of(schema) if isinstance(part, dict)):
        return schema
    found = _closed(schema)
    return found if isinstance(found, dict) else schema


def _joins_parts(part: dict[str, Any]) -> bool:
    several = isinstance(part.get("allOf"), list) and (len(part["allOf"]) > 1 or "properties" in part)
    return several or "if" in part or ("properties" in part and ("$ref" in part or "anyOf" in part or "oneOf" in part))


def _closed(schema: object) -> object:
    """Closes a schema and those in it; what is no schema, or is a negated one, stays as it is."""
    if not isinstance(schema, dict):
        return schema
    inner = {
        key: {name: _closed(part) for name, part in value.items()}
        if key in SCHEMAS_BY_NAME and isinstance(value, dict)
        else [_closed(part) for part in value]
        if key in LISTS_OF_SCHEMAS and isinstance(value, list)
        else _closed(value)
        if key in SCHEMAS
        else value
        for key, value in schema.items()
    }
    is_open = isinstance(schema.get("properties"), dict) and not SAYS_ITSELF & schema.keys()
    return {**inner, "additionalProperties": False} if is_open else inner


def check_multiples(steps: set[Fraction]) -> None:
    """Bounds the common multiple of all, since allOf and $ref may apply them to one number. Raises SchemaRefused."""
    scale = math.lcm(*(step.denominator for step in steps))
    if math.lcm(*(int(step * scale) for step in steps)) > MAX_MULTIPLE:
        raise SchemaRefused(f"multipleOf leads beyond multiples of {MAX_MULTIPLE}")
