from typing import Any

import pytest

from finery.contracts.datasets.conversation import Conversation
from finery.contracts.datasets.examples import Example, Feedback, Preference, Task, Text
from finery.contracts.datasets.message_reader import RowRefused
from finery.contracts.datasets.messages import Message
from finery.contracts.datasets.row_reader import RowReader
from finery.contracts.recipes.data_rules import ExampleKind

SYSTEM = {"role": "system", "content": "s"}
USER = {"role": "user", "content": "u"}
ANSWER = {"role": "assistant", "content": "a"}
CALL = {"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


def read(row: dict[str, Any], kind: ExampleKind) -> Any:
    _, example = RowReader(kind).read(row)
    return example


def as_conversation_or_text(row: dict[str, Any]) -> Example:
    example: Example = read(row, ExampleKind.CONVERSATION_OR_TEXT)
    return example


def as_conversation(row: dict[str, Any]) -> Conversation:
    example = as_conversation_or_text(row)
    assert isinstance(example, Conversation)
    return example


def as_preference(row: dict[str, Any]) -> Preference:
    example: Preference = read(row, ExampleKind.PREFERENCE)
    return example


def as_feedback(row: dict[str, Any]) -> Feedback:
    example: Feedback = read(row, ExampleKind.FEEDBACK)
    return example


def as_task(row: dict[str, Any]) -> Task:
    example: Task = read(row, ExampleKind.TASK)
    return example


def as_text(row: dict[str, Any]) -> Text:
    example: Text = read(row, ExampleKind.TEXT)
    return example


def dicts(messages: list[Message]) -> list[dict[str, Any]]:
    """As chat templates get them."""
    return [message.as_dict() for message in messages]


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def answer(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


CONVERSATIONS: dict[str, tuple[dict[str, Any], list[dict[str, Any]], list[bool]]] = {
    "alpaca": ({"instruction": "i", "output": "o"}, [user("i"), answer("o")], [False, True]),
    "alpaca with input": (
        {"instruction": "i", "input": "x", "output": "o"},
        [user("i\n\n### Input:\nx"), answer("o")],
        [False, True],
    ),
    "alpaca with history and system": (
        {"instruction": "i", "input": "", "output": "o", "system": "s", "history": [["q", "r"]]},
        [SYSTEM, user("q"), answer("r"), user("i"), answer("o")],
        [False, False, True, False, True],
    ),
    "alpaca with history as text": (
        {"instruction": "i", "output": "o", "history": '[["q", "r"]]'},
        [user("q"), answer("r"), user("i"), answer("o")],
        [False, True, False, True],
    ),
    "alpaca with nothing optional": (
        {"instruction": "i", "input": None, "output": "o", "system": "", "history": []},
        [user("i"), answer("o")],
        [False, True],
    ),
    "alpaca with an empty answer": ({"instruction": "i", "output": " \n"}, [user("i"), answer(" \n")], [False, False]),
    "messages": ({"messages": [SYSTEM, USER, ANSWER]}, [SYSTEM, USER, ANSWER], [False, False, True]),
    "messages as text": ({"messages": '[{"role": "user", "content": "u"}]'}, [USER], [False]),
    "messages in parts": (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]},
        [user("ab")],
        [False],
    ),
    "messages with weights": (
        {"messages": [USER, ANSWER | {"weight": 0}, USER, ANSWER | {"weight": 1}]},
        [USER, ANSWER, USER, ANSWER],
        [False, False, False, True],
    ),
    "messages of Parquet, which fills up with nulls": (
        {"messages": [USER | {"weight": None, "tool_calls": None, "name": None}, ANSWER | {"weight": None}]},
        [USER, ANSWER],
        [False, True],
    ),
    "messages with a developer": (
        {"messages": [{"role": "developer", "content": "s"}, USER, ANSWER]},
        [SYSTEM, USER, ANSWER],
        [False, False, True],
    ),
    "messages with reasoning": (
        {"messages": [USER, ANSWER | {"reasoning_content": "hm"}]},
        [USER, ANSWER | {"reasoning_content": "hm"}],
        [False, True],
    ),
    "messages with a tool": (
        {
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}],
                },
                {"role": "tool", "tool_call_id": "1", "content": "r"},
                ANSWER,
            ]
        },
        [
            USER,
            {"role": "assistant", "content": "", "tool_calls": [CALL | {"id": "1"}]},
            {"role": "tool", "content": "r", "tool_call_id": "1"},
            ANSWER,
        ],
        [False, True, False, True],
    ),
    "messages with the old function call": (
        {
            "messages": [
                USER,
                {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": {"x": 1}}},
                {"role": "function", "name": "f", "content": "r"},
            ]
        },
        [
            USER,
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "content": "r", "name": "f"},
        ],
        [False, True, False],
    ),
    "sharegpt": (
        {"conversations": [{"from": "human", "value": "u"}, {"from": "gpt", "value": "a"}], "system": "s"},
        [SYSTEM, USER, ANSWER],
        [False, False, True],
    ),
    "sharegpt whose own system wins": (
        {"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "u"}], "system": "other"},
        [SYSTEM, USER],
        [False, False],
    ),
    "sharegpt with a call": (
        {
            "conversations": [
                {"from": "human", "value": "u"},
                {"from": "function_call", "value": '{"name": "f", "arguments": {"x": 1}}'},
                {"from": "observation", "value": "r"},
                {"from": "gpt", "value": "a"},
            ]
        },
        [USER, {"role": "assistant", "content": "", "tool_calls": [CALL]}, {"role": "tool", "content": "r"}, ANSWER],
        [False, True, False, True],
    ),
    "sharegpt in the words of OpenAI": ({"conversations": [USER, ANSWER]}, [USER, ANSWER], [False, True]),
    "prompt and completion": ({"prompt": "u", "completion": "a"}, [USER, ANSWER], [False, True]),
    "prompt and completion of messages": (
        {"prompt": [USER, ANSWER, USER], "completion": [ANSWER]},
        [USER, ANSWER, USER, ANSWER],
        [False, False, False, True],
    ),
    "question and answer": ({"question": "u", "answer": "a"}, [USER, ANSWER], [False, True]),
}

FLAWS: dict[str, tuple[dict[str, Any], str, str]] = {
    "messages no list": ({"messages": "hello"}, "messages", "must be a list, not text"),
    "messages no JSON": ({"messages": "[hello"}, "messages", "must be JSON text"),
    "messages empty": ({"messages": []}, "messages", "is empty"),
    "message no object": ({"messages": ["u"]}, "messages[0]", "must be an object, not text"),
    "role missing": ({"messages": [USER, {"content": "a"}]}, "messages[1].role", "missing"),
    "role unknown": ({"messages": [USER, ANSWER, {"role": "usr", "content": ""}]}, "messages[2].role", "unknown role"),
    "role no text": ({"messages": [{"role": 1, "content": ""}]}, "messages[0].role", "must be text, not a number"),
    "content missing": ({"messages": [{"role": "user"}]}, "messages[0].content", "missing"),
    "content null": ({"messages": [USER, {"role": "assistant", "content": None}]}, "messages[1].content", "missing"),
    "content a number": ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "not a number"),
    "content an object": ({"messages": [{"role": "user", "content": {}}]}, "messages[0].content", "not an object"),
    "part an image": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages[0].content[0].type",
        "only text parts",
    ),
    "part without text": (
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        "messages[0].content[0].text",
        "missing",
    ),
    "part a number": ({"messages": [{"role": "user", "content": [1]}]}, "messages[0].content[0]", "a text part"),
    "system later": ({"messages": [USER, SYSTEM]}, "messages[1].role", "before all others"),
    "tool first": ({"messages": [{"role": "tool", "content": ""}]}, "messages[0].role", "must follow an assistant"),
    "tool after user": (
        {"conversations": [{"from": "human", "value": ""}, {"from": "observation", "value": ""}]},
        "conversations[1].from",
        "must follow an assistant",
    ),
    "weight on user": ({"messages": [USER | {"weight": 0}]}, "messages[0].weight", "only an assistant"),
    "weight odd": ({"messages": [USER, ANSWER | {"weight": 0.5}]}, "messages[1].weight", "0 or 1"),
    "weight text": ({"messages": [USER, ANSWER | {"weight": "1"}]}, "messages[1].weight", "0 or 1"),
    "calls no list": ({"messages": [USER, ANSWER | {"tool_calls": {}}]}, "messages[1].tool_calls", "must be a list"),
    "call no object": ({"messages": [USER, ANSWER | {"tool_calls": [1]}]}, "messages[1].tool_calls[0]", "an object"),
    "call without name": (
        {"messages": [USER, ANSWER | {"tool_calls": [{"function": {"arguments": "{}"}}]}]},
        "messages[1].tool_calls[0].function.name",
        "missing",
    ),
    "arguments no JSON": (
        {"messages": [USER, ANSWER | {"tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]},
        "messages[1].tool_calls[0].function.arguments",
        "JSON text",
    ),
    "arguments a list": (
        {"messages": [USER, ANSWER | {"tool_calls": [{"function": {"name": "f", "arguments": []}}]}]},
        "messages[1].tool_calls[0].function.arguments",
        "must be an object",
    ),
    "call of nothing": (
        {"messages": [USER, ANSWER | {"tool_calls": [{"id": "a", "type": "function"}]}]},
        "messages[1].tool_calls[0].function",
        "missing",
    ),
    "bare call's arguments": (
        {"messages": [USER, ANSWER | {"tool_calls": [{"name": "f", "arguments": "{"}]}]},
        "messages[1].tool_calls[0].arguments",
        "JSON text",
    ),
    "call of another type": (
        {"messages": [USER, ANSWER | {"tool_calls": [{"type": "custom", "function": {"name": "f"}}]}]},
        "messages[1].tool_calls[0].type",
        "must be function",
    ),
    "calls with one id": (
        {"messages": [USER, ANSWER | {"tool_calls": [{"id": "a", "function": {"name": "f"}}] * 2}]},
        "messages[1].tool_calls[1].id",
        "another call",
    ),
    "calls of the user": (
        {"messages": [USER | {"tool_calls": [{"function": {"name": "f"}}]}, ANSWER]},
        "messages[0].tool_calls",
        "only an assistant",
    ),
    "weight true": ({"messages": [USER, ANSWER | {"weight": True}]}, "messages[1].weight", "0 or 1"),
    "sharegpt without from": ({"conversations": [{"value": "u"}]}, "conversations[0].from", "missing"),
    "sharegpt without value": ({"conversations": [{"from": "human"}]}, "conversations[0].value", "missing"),
    "sharegpt call no JSON": (
        {"conversations": [{"from": "human", "value": "u"}, {"from": "function_call", "value": "f(1)"}]},
        "conversations[1].value",
        "JSON text",
    ),
    "sharegpt call of nothing": (
        {"conversations": [{"from": "human", "value": "u"}, {"from": "function_call", "value": "[]"}]},
        "conversations[1].value",
        "names no call",
    ),
    "sharegpt calls with one id": (
        {
            "conversations": [
                {"from": "human", "value": "u"},
                {"from": "function_call", "value": '[{"id": "a", "name": "f"}, {"id": "a", "name": "g"}]'},
            ]
        },
        "conversations[1].value[1].id",
        "another call",
    ),
    "call of another type, flat": (
        {"messages": [USER, ANSWER | {"tool_calls": [{"type": "custom", "name": "f"}]}]},
        "messages[1].tool_calls[0].type",
        "must be function",
    ),
    "old call of the user": (
        {"messages": [USER | {"function_call": {"name": "f"}}, ANSWER]},
        "messages[0].function_call",
        "only an assistant",
    ),
    "tools no JSON": ({"messages": [USER, ANSWER], "tools": "f"}, "tools", "must be a list"),
    "tool without name": (
        {"messages": [USER, ANSWER], "tools": [{"function": {}}]},
        "tools[0].function.name",
        "missing",
    ),
    "tool of nothing": ({"messages": [USER, ANSWER], "tools": [{"x": 1}]}, "tools[0].function", "missing"),
    "tool of another type": (
        {"messages": [USER, ANSWER], "tools": [{"type": "custom", "function": {"name": "f"}}]},
        "tools[0].type",
        "must be function",
    ),
    "system a number": ({"messages": [USER, ANSWER], "system": 5}, "system", "must be text"),
    "output a number": ({"instruction": "i", "output": 5}, "output", "must be text, not a number"),
    "output a list": ({"instruction": "i", "output": ["o"]}, "output", "must be text, not a list"),
    "input a truth": ({"instruction": "i", "input": True, "output": "o"}, "input", "not true or false"),
    "history of singles": ({"instruction": "i", "output": "o", "history": [["q"]]}, "history[0]", "pair"),
    "history of numbers": ({"instruction": "i", "output": "o", "history": [["q", 1]]}, "history[0][1]", "text"),
    "completion an object": ({"prompt": "p", "completion": {}}, "completion", "text or a list of messages"),
    "system in the completion": ({"prompt": "p", "completion": [SYSTEM]}, "completion", "before all others"),
}


class TestAsConversation:
    @pytest.mark.parametrize("case", CONVERSATIONS)
    def test_reads(self, case: str) -> None:
        row, messages, trains = CONVERSATIONS[case]
        conversation = as_conversation(row)
        assert (dicts(conversation.messages), conversation.trains) == (messages, trains)

    @pytest.mark.parametrize("tools", [[TOOL], '[{"name": "f", "parameters": {}}]', [TOOL["function"]]])
    def test_tools_have_one_form(self, tools: object) -> None:
        assert as_conversation({"messages": [USER, ANSWER], "tools": tools}).tools == [TOOL]

    @pytest.mark.parametrize("tools", [None, "", [], "[]"])
    def test_no_tools(self, tools: object) -> None:
        assert as_conversation({"messages": [USER, ANSWER], "tools": tools}).tools is None

    @pytest.mark.parametrize("case", FLAWS)
    def test_names_field_and_reason(self, case: str) -> None:
        row, field, reason = FLAWS[case]
        with pytest.raises(RowRefused) as caught:
            as_conversation(row)
        assert caught.value.field.startswith(field)
        assert reason in caught.value.reason

    def test_leaves_the_row_alone(self) -> None:
        row = {"messages": [dict(USER), dict(ANSWER)], "system": "s"}
        as_conversation(row)
        assert row == {"messages": [USER, ANSWER], "system": "s"}

    @pytest.mark.parametrize(
        ("messages", "is_trainable"),
        [([USER, ANSWER], True), ([USER], False), ([USER, answer("")], False), ([USER, ANSWER | {"weight": 0}], False)],
    )
    def test_is_trainable(self, messages: list[dict[str, Any]], is_trainable: bool) -> None:
        assert as_conversation({"messages": messages}).is_trainable is is_trainable


class TestAsConversationOrText:
    def test_text_stays_text(self) -> None:
        assert as_conversation_or_text({"text": "t"}) == Text("t")

    def test_a_conversation_beside_a_preference_serves(self) -> None:
        row = {"prompt": "u", "messages": [USER, ANSWER], "chosen": [USER, ANSWER], "rejected": [USER, answer("b")]}
        conversation = as_conversation(row)
        assert (dicts(conversation.messages), conversation.trains) == ([USER, ANSWER], [False, True])

    @pytest.mark.parametrize(
        ("row", "shape"),
        [
            ({"messages": [USER, ANSWER], "label": False}, "messages_feedback, which serves kto"),
            ({"messages": [USER], "chosen": [ANSWER], "rejected": [ANSWER]}, "messages_preference"),
            ({"conversations": [{"from": "human", "value": "u"}], "chosen": {}, "rejected": {}}, "sharegpt_preference"),
            ({"prompt": "p", "chosen": "c", "rejected": "r"}, "preference, which serves dpo and reward"),
        ],
    )
    def test_rows_of_other_recipes_are_refused(self, row: dict[str, Any], shape: str) -> None:
        with pytest.raises(RowRefused, match=shape):
            as_conversation_or_text(row)


class TestAsPreference:
    @pytest.mark.parametrize(
        "row",
        [
            {"prompt": "u", "chosen": "a", "rejected": "b"},
            {"prompt": [USER], "chosen": [ANSWER], "rejected": [answer("b")]},
            {"prompt": "u", "chosen": [ANSWER], "rejected": [answer("b")]},
            {"prompt": "u", "chosen": [USER, ANSWER], "rejected": [USER, answer("b")]},
            {"chosen": [USER, ANSWER], "rejected": [USER, answer("b")]},
            {"instruction": "u", "input": "", "chosen": "a", "rejected": "b"},
            {"messages": [USER], "chosen": ANSWER, "rejected": answer("b")},
            {"messages": [USER], "chosen": [ANSWER], "rejected": [answer("b")]},
            {
                "conversations": [{"from": "human", "value": "u"}],
                "chosen": {"from": "gpt", "value": "a"},
                "rejected": {"from": "gpt", "value": "b"},
            },
        ],
    )
    def test_reads(self, row: dict[str, Any]) -> None:
        preference = as_preference(row)
        assert dicts(preference.prompt) == [USER]
        assert (dicts(preference.chosen), dicts(preference.rejected)) == ([ANSWER], [answer("b")])
        assert preference.is_trainable

    def test_whole_conversations_part_where_they_differ(self) -> None:
        chosen, rejected = [SYSTEM, USER, ANSWER, USER, ANSWER], [SYSTEM, USER, ANSWER, USER, answer("b")]
        assert dicts(as_preference({"chosen": chosen, "rejected": rejected}).prompt) == chosen[:4]

    @pytest.mark.parametrize(
        ("chosen", "rejected"), [("a", "a"), ("", "b"), ("a", " "), ([USER, ANSWER], [USER, ANSWER])]
    )
    def test_nothing_to_learn(self, chosen: object, rejected: object) -> None:
        assert not as_preference({"prompt": "u", "chosen": chosen, "rejected": rejected}).is_trainable

    @pytest.mark.parametrize(
        ("row", "field", "reason"),
        [
            ({"prompt": "u", "chosen": 1, "rejected": "b"}, "chosen", "must be text or a list"),
            ({"prompt": "u", "chosen": [], "rejected": "b"}, "chosen", "is empty"),
            ({"prompt": "u", "chosen": [ANSWER, USER], "rejected": "b"}, "chosen", "must end with an assistant"),
            ({"prompt": 1, "chosen": "a", "rejected": "b"}, "prompt", "must be text"),
            ({"chosen": "a", "rejected": "b"}, "prompt", "missing; without it"),
            ({"chosen": [USER, ANSWER], "rejected": [user("v"), ANSWER]}, "rejected[0]", "the same messages"),
            ({"chosen": [USER, ANSWER], "rejected": [{"role": "x"}]}, "rejected[0].role", "unknown role"),
            (
                {"conversations": [{"from": "human", "value": "u"}], "chosen": {"from": "gpt"}, "rejected": {}},
                "chosen.value",
                "missing",
            ),
        ],
    )
    def test_names_field_and_reason(self, row: dict[str, Any], field: str, reason: str) -> None:
        with pytest.raises(RowRefused) as caught:
            as_preference(row)
        assert caught.value.field == field
        assert reason in caught.value.reason


class TestAsFeedback:
    @pytest.mark.parametrize(
        "row",
        [
            {"prompt": "u", "completion": "a", "label": False},
            {"prompt": [USER], "completion": [ANSWER], "label": "false"},
            {"instruction": "u", "input": "", "output": "a", "kto_tag": False},
            {"messages": [USER, ANSWER], "label": 0},
            {"conversations": [{"from": "human", "value": "u"}, {"from": "gpt", "value": "a"}], "kto_tag": False},
        ],
    )
    def test_reads(self, row: dict[str, Any]) -> None:
        feedback = as_feedback(row)
        assert (dicts(feedback.prompt), dicts(feedback.completion), feedback.label) == ([USER], [ANSWER], False)
        assert feedback.is_trainable

    def test_the_label_is_of_the_last_answer(self) -> None:
        feedback = as_feedback({"messages": [USER, ANSWER, USER, answer("b")], "label": True})
        assert (dicts(feedback.prompt), dicts(feedback.completion)) == ([USER, ANSWER, USER], [answer("b")])

    def test_an_empty_answer_teaches_nothing(self) -> None:
        assert not as_feedback({"prompt": "u", "completion": "", "label": True}).is_trainable

    @pytest.mark.parametrize(
        ("row", "field", "reason"),
        [
            ({"messages": [USER, ANSWER, USER], "label": True}, "messages", "must end with an assistant"),
            ({"messages": [SYSTEM, ANSWER], "label": True}, "messages", "no question"),
            ({"messages": [ANSWER], "label": True}, "messages", "no question"),
            ({"prompt": "u", "completion": 1, "label": True}, "completion", "must be text"),
            ({"prompt": "u", "label": True}, "completion", "missing"),
            ({"instruction": "u", "kto_tag": "maybe"}, "output", "missing"),
        ],
    )
    def test_names_field_and_reason(self, row: dict[str, Any], field: str, reason: str) -> None:
        with pytest.raises(RowRefused) as caught:
            as_feedback(row)
        assert caught.value.field == field
        assert reason in caught.value.reason


class TestAsText:
    def test_reads(self) -> None:
        assert as_text({"text": "t", "meta": 1}) == Text("t")

    @pytest.mark.parametrize(("text", "is_trainable"), [("t", True), ("", False), (" \n", False)])
    def test_is_trainable(self, text: str, is_trainable: bool) -> None:
        assert as_text({"text": text}).is_trainable is is_trainable

    @pytest.mark.parametrize("value", [5, ["t"], {"t": 1}, True])
    def test_refuses_what_is_no_text(self, value: object) -> None:
        with pytest.raises(RowRefused, match="text: must be text"):
            as_text({"text": value})


class TestRowRefused:
    def test_is_said_in_one_line(self) -> None:
        assert str(RowRefused("messages[2].role", "unknown role", line=7)) == "line 7: messages[2].role: unknown role"
        assert str(RowRefused("", "is empty")) == "is empty"


class TestAsTask:
    @pytest.mark.parametrize(
        ("row", "prompt"),
        [
            ({"messages": [SYSTEM, USER], "answer": "a"}, [SYSTEM, USER]),
            ({"messages": [{"role": "developer", "content": "s"}, USER]}, [SYSTEM, USER]),
            ({"prompt": "u", "answer": 4}, [USER]),
            ({"prompt": "u", "system": "s", "completion": "a"}, [SYSTEM, USER]),
            ({"prompt": [USER, ANSWER, USER], "wanted": ["x"]}, [USER, ANSWER, USER]),
            ({"question": "u", "answer": 4.5}, [USER]),
            ({"instruction": "u", "input": "", "output": "a"}, [USER]),
        ],
    )
    def test_the_prompt_is_told_apart_and_the_item_is_the_row(
        self, row: dict[str, Any], prompt: list[dict[str, str]]
    ) -> None:
        task = as_task(row)
        assert (dicts(task.prompt), task.item, task.tools, task.is_trainable) == (prompt, row, None, True)

    def test_tools_come_along(self) -> None:
        assert as_task({"messages": [USER], "tools": [TOOL]}).tools == [TOOL]

    @pytest.mark.parametrize(
        ("row", "field", "reason"),
        [
            ({"messages": [USER, ANSWER]}, "messages", "must end with a user's message"),
            ({"prompt": [SYSTEM], "answer": "a"}, "prompt", "must end with a user's message"),
            ({"prompt": 4, "answer": "a"}, "prompt", "must be text, not a number"),
            ({"text": "t"}, "", "is of shape text, which serves sft and cpt"),
            ({"answer": "a"}, "question", "missing"),
        ],
    )
    def test_refuses(self, row: dict[str, Any], field: str, reason: str) -> None:
        with pytest.raises(RowRefused) as caught:
            as_task(row)
        assert caught.value.field == field
        assert reason in caught.value.reason

    def test_a_blank_question_teaches_nothing(self) -> None:
        assert not as_task({"prompt": "  ", "answer": "a"}).is_trainable


class TestToolCallIds:
    CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}

    def read(self, answered: dict[str, Any], *, call: dict[str, Any]) -> Conversation:
        asking = {"role": "assistant", "tool_calls": [call]}
        return as_conversation({"messages": [{"role": "user", "content": "u"}, asking, {"role": "tool"} | answered]})

    def test_an_answer_to_a_call_that_nobody_made(self) -> None:
        with pytest.raises(RowRefused, match=r"messages\[2\]\.tool_call_id: names no tool call of the assistant"):
            self.read({"content": "t", "tool_call_id": "other"}, call=self.CALL)

    @pytest.mark.parametrize("answered", [{"tool_call_id": "c1"}, {}, {"tool_call_id": None}])
    def test_an_answer_by_id_or_by_order(self, answered: dict[str, Any]) -> None:
        assert len(self.read({"content": "t"} | answered, call=self.CALL).messages) == 3

    def test_calls_without_ids_are_answered_by_any(self) -> None:
        assert self.read({"content": "t", "tool_call_id": "x"}, call={"name": "f"}).messages[2].tool_call_id == "x"


class TestOpenAiPreference:
    ROW: dict[str, Any] = {
        "input": {"messages": [{"role": "user", "content": "u"}], "tools": [{"function": {"name": "f"}}]},
        "preferred_output": [{"role": "assistant", "content": "good"}],
        "non_preferred_output": [{"role": "assistant", "content": "bad"}],
    }

    def test_reads(self) -> None:
        row = as_preference(self.ROW)
        assert dicts(row.prompt) == [{"role": "user", "content": "u"}]
        assert [row.chosen[0].content, row.rejected[0].content] == ["good", "bad"]
        assert row.tools == [{"type": "function", "function": {"name": "f"}}]

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"input": []}, "input"),
            ({"input": {"messages": []}}, "input.messages"),
            ({"input": {"messages": [{"role": "u", "content": ""}]}}, "input.messages[0].role"),
            ({"input": ROW["input"] | {"tools": [{}]}}, "input.tools[0].function"),
            ({"preferred_output": [{"role": "user", "content": "u"}]}, "preferred_output"),
            ({"non_preferred_output": None}, "non_preferred_output"),
        ],
    )
    def test_names_the_field(self, change: dict[str, Any], field: str) -> None:
        with pytest.raises(RowRefused) as caught:
            as_preference(self.ROW | change)
        assert caught.value.field == field
