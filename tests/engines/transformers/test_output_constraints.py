import json
import sys
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from finery.engines.transformers.grammars import Grammars
from finery.engines.transformers.output_constraints import ConstraintReader, OutputConstraints
from finery.engines.transformers.prompts import prompts_of
from finery.engines.transformers.sampling import GenerationFailed
from finery.engines.wire import ChatRequest, RequestRefused
from tests.engines.tiny import CHAT_TEMPLATE, make_tokenizer
from tests.engines.transformers.templates import AS_XML, BARE, LISTED, TAGGED

USER = [{"role": "user", "content": "hi"}]
METAL = {"type": "object", "properties": {"metal": {"enum": ["iron"]}}, "required": ["metal"]}
FORGE = {"name": "forge", "parameters": {**METAL, "additionalProperties": False}}


def tools(**function: Any) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {**FORGE, **function}}]


def read(tokenizer: PreTrainedTokenizerBase, **fields: Any) -> OutputConstraints:
    grammars = Grammars(tokenizer, vocabulary=len(tokenizer), end_tokens=[0])
    return ConstraintReader(tokenizer, grammars, prompts_of(tokenizer)).read(
        ChatRequest.model_validate({"messages": USER, **fields})
    )


def refusal(template: str, **fields: Any) -> str | None:
    with pytest.raises(RequestRefused) as caught:
        read(make_tokenizer(template), **fields)
    return caught.value.body["error"]["param"]


def follows(constraints: OutputConstraints, tokens: list[int]) -> bool:
    """Whether an answer may begin like this."""
    assert constraints.grammar is not None
    matcher = constraints.grammar.begin()
    for token in tokens:
        try:
            if matcher.mask(torch.zeros(500))[token] != 0:
                return False
        except GenerationFailed:
            return False
        matcher.accept(token)
    return True


class TestRead:
    def test_asks_nothing_of_what_is_free(self) -> None:
        tokenizer = make_tokenizer(TAGGED)
        assert read(tokenizer) == OutputConstraints()
        assert read(tokenizer, response_format={"type": "text"}) == OutputConstraints()
        assert read(tokenizer, tools=tools(), tool_choice="none") == OutputConstraints()
        assert read(tokenizer, tools=tools()).grammar is None

    def test_strict_tools_hold_calls_alone(self) -> None:
        tokenizer = make_tokenizer(TAGGED)
        constraints = read(tokenizer, tools=tools(strict=True))
        good = 'Well: <tool_call>\n{"name": "forge", "arguments": {"metal": "iron"}}\n</tool_call>\nDone.'
        for text, allowed in {
            "Any text, even {x} <tool_box>": True,
            good: True,
            good.replace("iron", "tin"): False,
            good.replace('"forge"', '"burn"'): False,
        }.items():
            assert follows(constraints, tokenizer(text)["input_ids"]) is allowed

    def test_marks_may_be_special_tokens(self) -> None:
        tokenizer = make_tokenizer(TAGGED)
        tokenizer.add_special_tokens({"additional_special_tokens": ["<tool_call>", "</tool_call>"]})
        text = '<tool_call>\n{"name": "forge", "arguments": {"metal": "iron"}}\n</tool_call>'
        tokens = tokenizer(text)["input_ids"]
        for settings in ({"tools": tools(), "tool_choice": "required"}, {"tools": tools(strict=True)}):
            constraints = read(tokenizer, **settings)
            assert constraints.marks == {tokens[0], tokens[-1]}
            assert follows(constraints, tokens)
        assert not follows(constraints, tokenizer(text.replace("iron", "tin"))["input_ids"])

    @pytest.mark.parametrize(
        ("template", "fields", "param"),
        [
            (CHAT_TEMPLATE, {"tools": tools()}, "tools"),
            (AS_XML, {"tools": tools()}, "tools"),
            (LISTED, {"tools": tools(), "tool_choice": "required"}, "tool_choice"),
            (BARE, {"tools": tools(strict=True)}, "tools"),
            (TAGGED, {"tools": tools(parameters={"not": {}}, strict=True)}, "tools[0].function.parameters"),
        ],
    )
    def test_refuses_by_name(self, template: str, fields: dict[str, Any], param: str) -> None:
        assert refusal(template, **fields) == param

    def test_a_bare_call_can_be_required(self) -> None:
        tokenizer = make_tokenizer(BARE)
        constraints = read(tokenizer, tools=tools(), tool_choice="required")
        assert constraints.max_calls == 1
        assert follows(constraints, tokenizer('{"name": "forge", "parameters": {"metal": "iron"}}')["input_ids"])
        assert not follows(constraints, tokenizer("iron")["input_ids"])

    def test_without_the_package_formats_are_refused_by_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "llguidance.hf", None)
        assert refusal(TAGGED, response_format={"type": "json_object"}) == "response_format"
        assert refusal(TAGGED, tools=tools(), tool_choice="required") == "tools"
        assert read(make_tokenizer(TAGGED), tools=tools()).grammar is None

    @pytest.mark.parametrize(
        ("schema", "text", "is_allowed"),
        [
            ({"type": "object", "properties": {"a": {"type": "integer"}}}, '{"a": 1, "b"', False),
            ({"type": "array", "items": {"properties": {"a": {}}, "type": "object"}}, '[{"b"', False),
            ({"type": "object", "properties": {"a": {}}, "additionalProperties": True}, '{"b": 1', True),
            ({"type": "object"}, '{"b": 1', True),
            ({"type": "object", "properties": {"properties": {"type": "object"}}}, '{"properties": {"b"', True),
            (
                {"type": "object", "allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}, "required": ["b"]}]},
                '{"a": 1, "b"',
                True,
            ),
        ],
    )
    def test_an_object_with_properties_has_no_others_unless_it_says_so(
        self, schema: dict[str, Any], text: str, is_allowed: bool
    ) -> None:
        tokenizer = make_tokenizer(TAGGED)
        wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        constraints = read(tokenizer, response_format=wanted)
        assert follows(constraints, tokenizer(text)["input_ids"]) is is_allowed

    def test_white_space_is_bounded(self) -> None:
        tokenizer = make_tokenizer(TAGGED)
        constraints = read(tokenizer, response_format={"type": "json_object"})
        assert follows(
            constraints, tokenizer(json.dumps({"a": [1, {"火": None}]}, indent=4, ensure_ascii=False))["input_ids"]
        )
        assert not follows(constraints, tokenizer('{"a":  1')["input_ids"])
        assert not follows(constraints, tokenizer('{\n\n"a"')["input_ids"])
