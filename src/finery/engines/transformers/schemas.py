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


def check_multiples(steps: set[Fraction]) -> None:
    """Bounds the common multiple of all, since allOf and $ref may apply them to one number. Raises SchemaRefused."""
    scale = math.lcm(*(step.denominator for step in steps))
    if math.lcm(*(int(step * scale) for step in steps)) > MAX_MULTIPLE:
        raise SchemaRefused(f"multipleOf leads beyond multiples of {MAX_MULTIPLE}")
