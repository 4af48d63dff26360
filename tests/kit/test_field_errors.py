from typing import Annotated, Any, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, Field, ValidationError
from pydantic_core import PydanticKnownError

from finery.kit.field_errors import SENTENCES, sentence_of

KINDS: dict[str, dict[str, Any] | None] = {
    "missing": None,
    "extra_forbidden": None,
    "bool_type": None,
    "bool_parsing": None,
    "int_type": None,
    "int_parsing": None,
    "int_parsing_size": None,
    "int_from_float": None,
    "float_type": None,
    "float_parsing": None,
    "finite_number": None,
    "greater_than": {"gt": 0},
    "greater_than_equal": {"ge": 0},
    "less_than": {"lt": 0},
    "less_than_equal": {"le": 0},
    "multiple_of": {"multiple_of": 2},
    "string_type": None,
    "string_unicode": None,
    "string_too_short": {"min_length": 2},
    "string_too_long": {"max_length": 1},
    "string_pattern_mismatch": {"pattern": "a"},
    "list_type": None,
    "dict_type": None,
    "model_type": {"class_name": "A"},
    "model_attributes_type": None,
    "too_short": {"field_type": "List", "min_length": 2, "actual_length": 0},
    "too_long": {"field_type": "List", "max_length": 1, "actual_length": 2},
    "literal_error": {"expected": "'a'"},
    "enum": {"expected": "'a'"},
    "none_required": None,
    "union_tag_invalid": {"discriminator": "'type'", "tag": "x", "expected_tags": "'a', 'b'"},
    "union_tag_not_found": {"discriminator": "'type'"},
    "datetime_type": None,
    "datetime_parsing": {"error": "input is too short"},
    "datetime_from_date_parsing": {"error": "input is too short"},
    "timezone_aware": None,
}
"""What pydantic may say of a request's fields, with an example of the values in it."""


class Form(BaseModel, extra="forbid"):
    rate: Annotated[float, Field(gt=0, le=10)] = 1
    steps: int = 1
    tags: Annotated[list[str], Field(min_length=1, max_length=2)] = ["a"]
    name: Annotated[str, Field(min_length=1, max_length=3)] = "a"
    schedule: Literal["linear", "cosine"] = "linear"
    since: AwareDatetime | None = None
    kind: Literal["a"] = "a"
    safe: Literal[False] = False


def told(**values: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Form.model_validate(values)
    return sentence_of(caught.value.errors()[0])


class TestSentenceOf:
    @pytest.mark.parametrize(
        ("values", "sentence"),
        [
            ({"rate": 0}, "must be greater than 0"),
            ({"rate": 11}, "must be 10 or less"),
            ({"rate": "fast"}, "must be a number"),
            ({"steps": 1.5}, "must be a whole number, without a fraction"),
            ({"tags": []}, "must not be empty"),
            ({"tags": ["a"] * 3}, "must have at most 2 items"),
            ({"name": ""}, "must not be empty"),
            ({"name": "abcd"}, "must have at most 3 characters"),
            ({"schedule": "cosin"}, "must be one of 'linear', 'cosine'; did you mean 'cosine'?"),
            ({"schedule": "?"}, "must be one of 'linear', 'cosine'"),
            ({"since": "2026-11-21T08:30"}, "must be a time with its zone, as 2026-11-21T08:30:00Z"),
            ({"kind": "zzz"}, "must be 'a'"),
            ({"safe": True}, "must be false"),
            ({"speed": 1}, "unknown key; leave it out"),
        ],
    )
    def test_says_what_would_be_right(self, values: dict[str, object], sentence: str) -> None:
        assert told(**values) == sentence

    @pytest.mark.parametrize("kind", SENTENCES)
    def test_no_word_of_pydantics_is_left(self, kind: str) -> None:
        error = PydanticKnownError(kind, KINDS[kind])
        detail = {"type": kind, "loc": ("a",), "msg": error.message(), "input": 5, "ctx": KINDS[kind] or {}}
        sentence = sentence_of(detail)
        assert sentence != error.message()
        assert "nput" not in sentence
