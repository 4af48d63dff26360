"""How large a JSON schema in a request may be: what it takes to follow one is paid for by all requests."""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

MAX_CHARACTERS = 32 * 1024
MAX_DEPTH = 32
MAX_TEXT = 2048
# Texts for readers; no answer holds them.
REMARKS = ("description", "title", "$comment")
# The states of the automaton that tells multiples from other numbers grow with them.
MAX_MULTIPLE = 1000


class SchemaRefused(ValueError):
    """The message says what is wrong with the schema."""


def check_bounds(schema: dict[str, Any]) -> None:
    """Raises SchemaRefused."""
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
    """Every part with its key (none in a list) and its depth."""
    waiting: list[tuple[str, object, int]] = [("", schema, 1)]
    while waiting:
        key, part, depth = waiting.pop()
        yield key, part, depth
        if isinstance(part, dict):
            waiting += [(name, value, depth + 1) for name, value in part.items()]
        elif isinstance(part, list):
            waiting += [("", value, depth + 1) for value in part]


def check_multiples(steps: set[Fraction]) -> None:
    """All together, since they may meet in one number by way of allOf and $ref."""
    scale = math.lcm(*(step.denominator for step in steps))
    if math.lcm(*(int(step * scale) for step in steps)) > MAX_MULTIPLE:
        raise SchemaRefused(f"multipleOf leads beyond multiples of {MAX_MULTIPLE}")
