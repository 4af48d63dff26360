from typing import Any

import pytest

from finery.contracts.recipes.schema_words import bounds_of, type_of

DEFINITIONS: dict[str, dict[str, Any]] = {"Part": {"type": "object", "title": "Part", "properties": {}}}


class TestTypeOf:
    @pytest.mark.parametrize(
        ("schema", "words"),
        [
            ({"type": "integer"}, "integer"),
            ({"anyOf": [{"type": "number"}, {"type": "null"}]}, "number"),
            ({"enum": ["a", "b", "c"], "type": "string"}, '"a", "b" or "c"'),
            ({"const": False}, "false"),
            ({"type": "array", "items": {"type": "string"}}, "list of string"),
            ({"type": "object", "additionalProperties": {"type": "integer"}}, "map to integer"),
            ({"oneOf": [{"$ref": "#/$defs/Part"}, {"type": "string"}]}, "Part or string"),
            ({}, "any"),
        ],
    )
    def test_words(self, schema: dict[str, Any], words: str) -> None:
        assert type_of(schema, DEFINITIONS) == words


class TestBoundsOf:
    @pytest.mark.parametrize(
        ("schema", "words"),
        [
            ({"type": "integer", "minimum": 1, "maximum": 4096}, "1 to 4,096"),
            ({"type": "number", "exclusiveMinimum": 0.0, "maximum": 10.0}, "above 0, at most 10"),
            ({"type": "number", "minimum": 0.0, "exclusiveMaximum": 0.5}, "at least 0, below 0.5"),
            ({"anyOf": [{"type": "integer", "minimum": 2}, {"type": "null"}]}, "at least 2"),
            ({"type": "string", "minLength": 1, "maxLength": 200}, "1 to 200 characters"),
            ({"type": "array", "maxItems": 16}, "at most 16 items"),
            ({"type": "object", "maxProperties": 3}, "at most 3 entries"),
            ({"type": "boolean"}, ""),
        ],
    )
    def test_words(self, schema: dict[str, Any], words: str) -> None:
        assert bounds_of(schema) == words
