"""Answers held to a form: the tiny model's weights are noise, so what parses and fits was made to."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jsonschema_rs
import openai
import pytest

from tests.engines.conftest import Engine, running_engine
from tests.engines.tiny import make_model
from tests.engines.transformers.templates import TAGGED

USER = [{"role": "user", "content": "Who keeps the fire?"}]


def closed(**properties: object) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


SHORT = {"type": "string", "maxLength": 6}
SMITH = closed(name=SHORT, trade={"enum": ["smith", "finer", None, 3]})
NODE = closed(value={"enum": [1, 2]}, next={"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]})
SCHEMAS = {
    "enum": SMITH,
    "nested arrays": closed(
        grid={
            "type": "array",
            "minItems": 2,
            "maxItems": 3,
            "items": {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 2},
        }
    ),
    "integer bounds": closed(age={"type": "integer", "minimum": -7, "maximum": 120}, zero={"const": 0}),
    "pattern": closed(code={"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"}),
    "any of": {"anyOf": [closed(iron=SHORT), closed(bars={"type": "integer", "minimum": 0, "maximum": 9})]},
    "references": {"$defs": {"node": NODE}, "$ref": "#/$defs/node"},
    "format": closed(day={"type": "string", "format": "date"}),
    "Chinese": closed(姓名={"enum": ["铁匠", "炉"]}, 年龄={"type": "integer", "minimum": 1, "maximum": 99}),
    "Japanese": closed(名前=SHORT, 火={"enum": ["はい", "いいえ"]}),
    "Korean": closed(이름={"enum": ["대장장이", "불"]}, 나이={"type": "integer", "minimum": 0, "maximum": 9}),
    "a number alone": {"type": "integer", "minimum": 100, "maximum": 999},
}


def json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def fits(schema: dict[str, Any], text: str) -> bool:
    return bool(jsonschema_rs.is_valid(schema, json.loads(text), validate_formats=True))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Engine]:
    folder = make_model(tmp_path_factory.mktemp("models") / "tools", chat_template=TAGGED)
    with running_engine(folder, port=free_port()) as running:
        running.wait_ready()
        yield running


@pytest.fixture
def client(engine: Engine) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{engine.url}/v1", api_key="any", max_retries=0) as sdk:
        yield sdk


def ask(engine: Engine, **body: Any) -> dict[str, Any]:
    response = engine.post("chat/completions", **{"messages": USER, **body})
    assert response.status_code == 200, response.text
    return dict(response.json())


def refused(engine: Engine, **body: Any) -> dict[str, Any]:
    response = engine.post("chat/completions", **{"messages": USER, **body})
    assert response.status_code == 400, response.text
    return dict(response.json()["error"])


def stream(engine: Engine, **body: Any) -> dict[int, dict[str, Any]]:
    """What the chunks of each choice add up to."""
    choices: dict[int, dict[str, Any]] = {}
    payload = {"messages": USER, "stream": True, **body}
    with httpx.stream("POST", f"{engine.url}/v1/chat/completions", json=payload, timeout=60) as response:
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    for choice in (choice for line in lines[:-1] for choice in json.loads(line)["choices"]):
        whole = choices.setdefault(choice["index"], {"content": "", "calls": [], "reason": None})
        whole["content"] += choice["delta"].get("content") or ""
        whole["calls"] += choice["delta"].get("tool_calls", [])
        whole["reason"] = whole["reason"] or choice["finish_reason"]
    return choices


class TestJsonSchema:
    @pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
    @pytest.mark.parametrize(
        "settings",
        [pytest.param({"temperature": 0}, marks=pytest.mark.thorough), {"temperature": 1.5, "top_p": 0.9, "seed": 3}],
    )
    def test_the_answer_fits(self, engine: Engine, schema: dict[str, Any], settings: dict[str, Any]) -> None:
        choice = ask(engine, response_format=json_schema(schema), max_tokens=400, **settings)["choices"][0]
        assert fits(schema, choice["message"]["content"])
        assert choice["finish_reason"] == "stop"

    def test_penalties_stay_within_the_form(self, engine: Engine) -> None:
        settings = {"repetition_penalty": 2, "frequency_penalty": 2, "presence_penalty": -2, "top_k": 2, "seed": 1}
        body = ask(engine, response_format=json_schema(SMITH), **settings)
        assert fits(SMITH, body["choices"][0]["message"]["content"])

    def test_completions_too(self, engine: Engine) -> None:
        choice = engine.complete(response_format=json_schema(SMITH), max_tokens=200, seed=1)["choices"][0]
        assert fits(SMITH, choice["text"])

    def test_each_choice_is_held_by_itself(self, engine: Engine) -> None:
        choices = ask(engine, response_format=json_schema(SMITH), n=3, seed=4)["choices"]
        texts = [choice["message"]["content"] for choice in choices]
        assert all(fits(SMITH, text) for text in texts)
        assert len(set(texts)) == 3

    def test_streaming_says_the_same(self, engine: Engine) -> None:
        wanted = {"response_format": json_schema(SCHEMAS["Japanese"]), "seed": 11, "n": 2, "temperature": 1.3}
        whole = [choice["message"]["content"] for choice in ask(engine, **wanted)["choices"]]
        chunks = stream(engine, **wanted)
        assert [chunks[index]["content"] for index in range(2)] == whole
        assert {choice["reason"] for choice in chunks.values()} == {"stop"}

    def test_what_is_cut_says_so(self, engine: Engine) -> None:
        choice = ask(engine, response_format=json_schema(SMITH), max_tokens=3, seed=1)["choices"][0]
        assert choice["finish_reason"] == "length"
        assert choice["message"]["content"].startswith("{")

    def test_the_last_token_allowed_may_complete_it(self, engine: Engine) -> None:
        wanted: dict[str, Any] = {"response_format": json_schema(SMITH), "temperature": 0}
        tokens = ask(engine, **wanted)["usage"]["completion_tokens"]
        assert ask(engine, **wanted, max_tokens=tokens)["choices"][0]["finish_reason"] == "stop"
        assert ask(engine, **wanted, max_tokens=tokens - 1)["choices"][0]["finish_reason"] == "length"

    def test_a_stop_string_ends_it_before(self, engine: Engine) -> None:
        choice = ask(engine, response_format=json_schema(SMITH), stop='"trade"', seed=2)["choices"][0]
        assert choice["message"]["content"].startswith("{")
        assert "trade" not in choice["message"]["content"]
        assert choice["finish_reason"] == "stop"

    def test_logprobs_are_the_models_own(self, engine: Engine) -> None:
        settings = {"max_tokens": 1, "logprobs": True, "top_logprobs": 3, "temperature": 0}
        free, held = (
            ask(engine, **settings, **rest)["choices"][0]["logprobs"]["content"][0]
            for rest in ({}, {"response_format": json_schema(SMITH)})
        )
        assert held["token"] == "{"
        assert held["top_logprobs"] == free["top_logprobs"]
        assert held["logprob"] < free["logprob"]

    def test_free_and_held_requests_share_a_batch(self, engine: Engine) -> None:
        bodies: list[dict[str, Any]] = [
            {"temperature": 0, "max_tokens": 60},
            {"seed": 5, "max_tokens": 60, "temperature": 1.2},
            {"response_format": json_schema(SMITH), "seed": 6},
            {"response_format": json_schema(SCHEMAS["Korean"]), "seed": 7},
            {"response_format": json_schema(SCHEMAS["nested arrays"]), "temperature": 0},
        ]
        alone = [ask(engine, **body)["choices"][0]["message"]["content"] for body in bodies]
        with ThreadPoolExecutor(len(bodies)) as pool:
            asked = [pool.submit(ask, engine, **body) for body in bodies]
        assert [answer.result()["choices"][0]["message"]["content"] for answer in asked] == alone


class TestJsonObject:
    def test_is_an_object_or_cut(self, engine: Engine) -> None:
        whole = 0
        for seed in range(6):
            body = ask(engine, response_format={"type": "json_object"}, seed=seed, max_tokens=40)
            text, reason = body["choices"][0]["message"]["content"], body["choices"][0]["finish_reason"]
            assert text.startswith("{")
            if reason == "stop":
                whole += 1
                assert isinstance(json.loads(text), dict)
        assert whole


class TestBadSchema:
    @pytest.mark.parametrize(
        ("schema", "named"),
        [
            ({"type": "object", "properties": {"a": {"not": {"type": "string"}}}}, "not"),
            ({"type": "array", "uniqueItems": True}, "uniqueItems"),
            ({"$ref": "https://schemas.example/smith.json"}, "https://schemas.example/smith.json"),
            ({"$ref": "file:///etc/passwd"}, "file:///etc/passwd"),
            ({"$ref": "#/$defs/none"}, "/$defs/none"),
            ({"type": "forge"}, "forge"),
            ({"type": "string", "format": "fire"}, "fire"),
            ({"type": "string", "pattern": "(?=a)b"}, "look-around"),
            ({"type": "integer", "minimum": 5, "maximum": 3}, "minimum (5) is greater than maximum (3)"),
            ({"oneOf": [{"type": "string"}, {"type": "string", "minLength": 3}]}, "oneOf"),
            ({"x-guidance": {"lenient": True}, "not": {}}, "x-guidance"),
            ({"enum": [f"{number:0100}" for number in range(400)]}, "32768 characters"),
            ({"enum": ["x" * 3000]}, "2048 characters"),
            ({"type": "integer", "multipleOf": 1_000_003}, "multipleOf"),
            ({"allOf": [{"type": "integer", "multipleOf": 37}, {"multipleOf": 31}]}, "multipleOf"),
        ],
    )
    def test_names_what_is_wrong(self, engine: Engine, schema: dict[str, Any], named: str) -> None:
        error = refused(engine, response_format=json_schema(schema))
        assert error["param"] == "response_format.json_schema.schema"
        assert named in error["message"]
        assert "%json" not in error["message"]

    def test_depth_is_bounded(self, engine: Engine) -> None:
        schema: dict[str, Any] = {"type": "string"}
        for _ in range(20):
            schema = closed(a=schema)
        assert "levels deep" in refused(engine, response_format=json_schema(schema))["message"]

    def test_an_intricate_schema_ends_its_own_request_alone(self, engine: Engine) -> None:
        pattern = "^" + "".join(f"(.*[a-{letter}].{{60}}|b*)" for letter in "bcdefghijk") + "$"
        wanted = {"response_format": json_schema({"type": "string", "pattern": pattern}), "temperature": 2, "seed": 1}
        with ThreadPoolExecutor(2) as pool:
            intricate = pool.submit(engine.post, "chat/completions", messages=USER, max_tokens=400, **wanted)
            plain = pool.submit(ask, engine, response_format=json_schema(SMITH), seed=2)
        assert intricate.result().status_code == 500
        assert "too intricate" in intricate.result().json()["error"]["message"]
        assert fits(SMITH, plain.result()["choices"][0]["message"]["content"])


FORGE = closed(metal={"enum": ["iron", "铁"]}, bars={"type": "integer", "minimum": 1, "maximum": 9})
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "forge", "description": "Makes bars.", "parameters": FORGE}},
    {"type": "function", "function": {"name": "quench"}},
]


def arguments_fit(call: dict[str, Any]) -> bool:
    arguments = call["function"]["arguments"]
    return fits(FORGE, arguments) if call["function"]["name"] == "forge" else arguments == "{}"


class TestToolChoice:
    def test_required_makes_calls(self, engine: Engine) -> None:
        names = set()
        for seed in range(5):
            body = ask(engine, tools=TOOLS, tool_choice="required", parallel_tool_calls=False, seed=seed)
            message, reason = body["choices"][0]["message"], body["choices"][0]["finish_reason"]
            assert message["content"] is None
            assert reason == "tool_calls"
            assert len(message["tool_calls"]) == 1
            assert all(arguments_fit(call) for call in message["tool_calls"])
            names |= {call["function"]["name"] for call in message["tool_calls"]}
        assert names == {"forge", "quench"}

    def test_several_calls(self, engine: Engine) -> None:
        wanted: dict[str, Any] = {"tools": TOOLS, "tool_choice": "required", "max_tokens": 150}
        answers = [ask(engine, **wanted, seed=seed)["choices"][0] for seed in range(6)]
        calls = [answer["message"]["tool_calls"] for answer in answers]
        assert max(len(made) for made in calls) > 1
        assert all(arguments_fit(call) for made in calls for call in made)
        assert all(len({call["id"] for call in made}) == len(made) for made in calls)

    def test_a_named_function_is_called(self, engine: Engine) -> None:
        choice = {"type": "function", "function": {"name": "forge"}}
        for settings in ({"temperature": 0}, {"seed": 2}):
            (call,) = ask(engine, tools=TOOLS, tool_choice=choice, **settings)["choices"][0]["message"]["tool_calls"]
            assert call["function"]["name"] == "forge"
            assert call["id"].startswith("call_")
            assert arguments_fit(call)

    def test_streaming_calls_the_same(self, engine: Engine) -> None:
        wanted: dict[str, Any] = {"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False}
        whole = ask(engine, **wanted, seed=3, n=2)["choices"]
        chunks = stream(engine, **wanted, seed=3, n=2)
        for choice in whole:
            streamed = chunks[choice["index"]]
            assert streamed["content"] == ""
            assert streamed["reason"] == "tool_calls"
            assert [call["function"] for call in streamed["calls"]] == [
                call["function"] for call in choice["message"]["tool_calls"]
            ]
            assert [call["index"] for call in streamed["calls"]] == [0]

    def test_none_hides_the_tools(self, engine: Engine) -> None:
        plain = ask(engine, temperature=0, max_tokens=20)
        hidden = ask(engine, temperature=0, max_tokens=20, tools=TOOLS, tool_choice="none")
        assert hidden["choices"][0]["message"] == plain["choices"][0]["message"]
        assert hidden["usage"] == plain["usage"]

    def test_auto_shows_the_tools_and_leaves_the_answer_free(self, engine: Engine) -> None:
        plain = ask(engine, temperature=0, max_tokens=5)
        shown = ask(engine, temperature=0, max_tokens=5, tools=TOOLS)
        assert shown["usage"]["prompt_tokens"] > plain["usage"]["prompt_tokens"]
        assert "tool_calls" not in shown["choices"][0]["message"]

    def test_a_format_beside_tools_is_an_answer_or_a_call(self, engine: Engine) -> None:
        for seed in range(4):
            wanted = {"tools": TOOLS, "response_format": json_schema(SMITH), "parallel_tool_calls": False}
            message = ask(engine, **wanted, seed=seed)["choices"][0]["message"]
            assert fits(SMITH, message["content"]) if message["content"] else arguments_fit(message["tool_calls"][0])

    def test_satisfies_the_sdk_over_several_turns(self, client: openai.OpenAI) -> None:
        wanted: dict[str, Any] = {"model": "tiny", "tools": TOOLS, "seed": 1}
        messages: list[Any] = list(USER)
        first = client.chat.completions.create(
            messages=messages, tool_choice={"type": "function", "function": {"name": "forge"}}, **wanted
        )
        type(first).model_validate(first.model_dump(), strict=True)
        message = first.choices[0].message
        assert message.tool_calls
        messages += [message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "done"}]
        second = client.chat.completions.create(messages=messages, max_tokens=5, **wanted)
        assert first.usage
        assert second.usage
        assert second.usage.prompt_tokens > first.usage.prompt_tokens

    def test_functions_are_called_in_their_own_form(self, client: openai.OpenAI, engine: Engine) -> None:
        wanted: dict[str, Any] = {
            "functions": [tool["function"] for tool in TOOLS],
            "function_call": {"name": "forge"},
            "seed": 1,
        }
        (choice,) = client.chat.completions.create(model="tiny", messages=USER, **wanted).choices
        assert (choice.finish_reason, choice.message.tool_calls) == ("function_call", None)
        called = choice.message.function_call
        assert called is not None
        assert arguments_fit({"function": {"name": called.name, "arguments": called.arguments}})
        lines = engine.post("chat/completions", messages=USER, stream=True, **wanted).text.split("\n\n")
        deltas = [json.loads(line[6:])["choices"][0]["delta"] for line in lines if line.startswith("data: {")]
        assert [delta["function_call"] for delta in deltas if "function_call" in delta] == [called.model_dump()]
        answered = [*USER, choice.message, {"role": "function", "name": "forge", "content": "done"}]
        assert client.chat.completions.create(model="tiny", messages=answered, max_tokens=5).usage

    def test_a_stray_answer_of_a_tool_is_refused(self, engine: Engine) -> None:
        calls = [{"id": "a", "type": "function", "function": {"name": "forge", "arguments": "{}"}}]
        messages = [*USER, {"role": "assistant", "tool_calls": calls}]
        stray = refused(engine, messages=[*messages, {"role": "tool", "tool_call_id": "b", "content": ""}])
        assert stray["param"] == "messages[2].tool_call_id"
        calls[0]["function"] = {"name": "forge", "arguments": "{"}
        assert refused(engine, messages=messages)["param"] == "messages[1].tool_calls[0].function.arguments"

    def test_bad_parameters_are_named(self, engine: Engine) -> None:
        tool = {"type": "function", "function": {"name": "bad", "parameters": {"not": {}}}}
        error = refused(engine, tools=[*TOOLS, tool], tool_choice="required")
        assert error["param"] == "tools[2].function.parameters"
        ask(engine, tools=[*TOOLS, tool], max_tokens=2)
