import json

import pytest

from finery.engines.transformers.chat_messages import messages_of, tools_of
from finery.engines.wire import ChatRequest, CompletionRequest, RequestRefused, parse_request

USER = [{"role": "user", "content": "hi"}]
TOOLS = [{"type": "function", "function": {"name": "forge"}}]


def refused(kind: type[ChatRequest] | type[CompletionRequest], **fields: object) -> dict[str, str | None]:
    with pytest.raises(RequestRefused) as caught:
        parse_request(kind, json.dumps(fields).encode())
    assert caught.value.status == 400
    return caught.value.body["error"]


IMAGE = {"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}


class TestParseRequest:
    def test_of_an_image_it_is_said_that_models_read_text(self) -> None:
        body = json.dumps({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, IMAGE]}]}).encode()
        with pytest.raises(RequestRefused, match=r"models read text only.*'image_url'"):
            parse_request(ChatRequest, body)

    def test_functions_are_tools_of_which_one_is_called(self) -> None:
        forge = {"parameters": {"type": "object"}, "name": "forge"}
        body = {"messages": USER, "functions": [forge], "function_call": {"name": "forge"}}
        request = parse_request(ChatRequest, json.dumps(body).encode())
        assert tools_of(request) == [{"type": "function", "function": forge}]
        assert (request.chosen_function, request.makes_one_call) == ("forge", True)
        hidden = parse_request(ChatRequest, json.dumps({**body, "function_call": "none"}).encode())
        assert tools_of(hidden) is None

    def test_takes_what_the_contract_names(self) -> None:
        fields = {"messages": USER, "temperature": 1, "stop": ["a"], "n": 2, "stream": True, "user": "x"}
        rest = {"stream_options": {"include_usage": True}, "response_format": {"type": "text"}, "top_logprobs": None}
        request = parse_request(ChatRequest, json.dumps({**fields, **rest}).encode())
        assert request.stop_strings == ["a"]
        assert request.wants_usage_chunk

    def test_takes_the_ends_of_what_openai_allows(self) -> None:
        fields = {"top_p": 0, "stream": True, "stream_options": {"include_obfuscation": False}}
        assert parse_request(ChatRequest, json.dumps({"messages": USER, **fields}).encode()).top_p == 0

    def test_joins_text_parts(self) -> None:
        parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        body = json.dumps({"messages": [{"role": "developer", "content": parts}]}).encode()
        assert messages_of(parse_request(ChatRequest, body)) == [{"role": "system", "content": "ab"}]

    def test_tools_keep_the_order_of_their_keys(self) -> None:
        function = {"strict": None, "parameters": {"b": 1, "a": 2}, "name": "forge"}
        body = json.dumps({"messages": USER, "tools": [{"function": function, "type": "function"}]}).encode()
        assert json.dumps(tools_of(parse_request(ChatRequest, body))) == json.dumps(
            [{"type": "function", "function": function}]
        )

    def test_unsupported_parameters_that_ask_for_nothing_pass(self) -> None:
        body = json.dumps(
            {"messages": USER, "tools": None, "tool_choice": "auto", "store": False, "logit_bias": {}}
        ).encode()
        assert parse_request(ChatRequest, body).tools is None

    @pytest.mark.parametrize(
        ("fields", "param", "code"),
        [
            ({"tools": [{}]}, "tools[0].type", "invalid_value"),
            ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name", "invalid_value"),
            ({"functions": [{}]}, "functions[0].name", "invalid_value"),
            ({"functions": [{"name": "forge"}], "tools": TOOLS}, "functions", None),
            ({"functions": [{"name": "forge"}], "function_call": {"name": "quench"}}, "function_call", None),
            ({"function_call": {"name": "forge"}}, "function_call", None),
            ({"messages": [{"role": "function", "content": "x"}]}, "messages[0].name", "invalid_value"),
            ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages[0].content[0]", "unsupported_content"),
            ({"reasoning_effort": "low"}, "reasoning_effort", "unsupported_parameter"),
            ({"tool_choice": "required"}, "tool_choice", None),
            ({"tools": TOOLS, "tool_choice": "any"}, "tool_choice", "invalid_value"),
            (
                {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "quench"}}},
                "tool_choice",
                None,
            ),
            ({"logit_bias": {"1": 2}}, "logit_bias", "unsupported_parameter"),
            ({"temprature": 1}, "temprature", "unknown_parameter"),
            ({"stream_options": {"include_usag": True}, "stream": True}, "stream_options.include_usag", None),
            ({"stream_options": {}}, "stream_options", None),
            ({"temperature": 2.1}, "temperature", "invalid_value"),
            ({"temperature": "1"}, "temperature", "invalid_value"),
            ({"temperature": float("nan")}, "temperature", "invalid_value"),
            ({"top_p": -0.1}, "top_p", "invalid_value"),
            (
                {"stream_options": {"include_obfuscation": True}, "stream": True},
                "stream_options.include_obfuscation",
                "invalid_value",
            ),
            ({"n": 0}, "n", "invalid_value"),
            ({"max_tokens": 0}, "max_tokens", "invalid_value"),
            ({"stop": [""]}, "stop", "invalid_value"),
            ({"top_logprobs": 21}, "top_logprobs", "invalid_value"),
            ({"messages": []}, "messages", "invalid_value"),
            ({"messages": [{"role": "smith", "content": ""}]}, "messages[0].role", "invalid_value"),
            ({"messages": [{"role": "tool", "content": ""}]}, "messages[0].tool_call_id", "invalid_value"),
            ({"messages": [{"role": "user"}]}, "messages[0].content", "invalid_value"),
            ({"response_format": {"type": "xml"}}, "response_format.type", None),
            ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", None),
            (
                {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
                "response_format.json_schema.name",
                None,
            ),
        ],
    )
    def test_refuses_by_name(self, fields: dict[str, object], param: str, code: str | None) -> None:
        error = refused(ChatRequest, **{"messages": USER, **fields})
        assert error["param"] == param
        assert error["type"] == "invalid_request_error"
        assert code is None or error["code"] == code

    def test_suggests_the_nearest_known_key(self) -> None:
        assert "Did you mean 'temperature'?" in str(refused(ChatRequest, messages=USER, temprature=1)["message"])

    def test_completions_know_no_tools(self) -> None:
        assert refused(CompletionRequest, prompt="x", tools=TOOLS)["code"] == "unsupported_parameter"

    def test_an_unknown_key_explains_a_missing_one(self) -> None:
        assert refused(CompletionRequest, prompts="x")["param"] == "prompts"

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
    def test_refuses_what_is_no_json_object(self, body: bytes) -> None:
        with pytest.raises(RequestRefused, match="The request body is no JSON"):
            parse_request(CompletionRequest, body)
