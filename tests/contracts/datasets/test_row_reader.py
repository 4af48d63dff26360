"""Rows of JSON that are decoded into their format at once are what they are when they are read from objects."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.datasets import RowRefused, Source
from finery.contracts.datasets.examples import Example
from finery.contracts.datasets.formats import every_format
from finery.contracts.datasets.message_reader import ROLES
from finery.contracts.datasets.row_format import needed_by
from finery.contracts.datasets.row_reader import DatasetReader, FormatDecoder, RowReader
from finery.contracts.recipes.data_rules import ExampleKind
from finery.kit.tables import BrokenRow

USER = {"role": "user", "content": "u"}
ANSWER = {"role": "assistant", "content": "a"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"b": 1, "a": "x"}'}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
TOOL = {"role": "tool", "tool_call_id": "c1", "content": "t"}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
GOOD_MESSAGES = [
    [USER, ANSWER],
    [{"role": "system", "content": "s"}, USER, ANSWER, USER, {"role": "assistant", "content": ""}],
    [USER],
]
GOOD_TURNS = [
    [{"from": "human", "value": "u"}, {"from": "gpt", "value": "a"}],
    [{"from": "system", "value": "s"}, {"from": "human", "value": "u"}, {"from": "gpt", "value": " "}],
    [{"from": "human", "value": "u"}],
]
GOOD_ROWS: list[tuple[str, dict[str, Any]]] = [
    *(("conversation_or_text", {"messages": messages}) for messages in GOOD_MESSAGES),
    *(("conversation_or_text", {"conversations": turns}) for turns in GOOD_TURNS),
    ("conversation_or_text", {"instruction": "i", "input": "", "output": "o"}),
    ("conversation_or_text", {"prompt": "p", "completion": "c"}),
    ("conversation_or_text", {"question": "q", "answer": "a"}),
    ("conversation_or_text", {"text": "t"}),
    ("text", {"text": "t"}),
    ("preference", {"prompt": "p", "chosen": "c", "rejected": "r"}),
    ("preference", {"conversations": GOOD_TURNS[2], "chosen": GOOD_TURNS[0][1], "rejected": GOOD_TURNS[1][2]}),
    ("preference", {"input": {"messages": [USER]}, "preferred_output": [ANSWER], "non_preferred_output": [ANSWER]}),
    ("feedback", {"prompt": "p", "completion": "c", "label": True}),
    ("feedback", {"messages": [USER, ANSWER], "label": False}),
]
RICH_ROWS: list[tuple[str, dict[str, Any]]] = [
    ("conversation_or_text", {"messages": messages, **others})
    for messages, others in (
        ([USER, ANSWER | {"weight": 0}, USER, ANSWER | {"weight": 1, "name": "n"}], {}),
        ([USER, CALLING, TOOL, ANSWER], {"tools": TOOLS}),
        ([USER, CALLING, USER, ANSWER | {"weight": 0}], {}),
        ([{"role": "developer", "content": "d"}, USER, CALLING | {"weight": 0}], {}),
    )
]
ODD = ["", " \n", "a", "日本", "true", None, 0, 1, 2, 1.5, True, [], {}, [["q", "r"]], [USER], [ANSWER]]
COLUMNS = sorted(
    {column for each in every_format() for column in needed_by(each)}
    | {"input", "system", "history", "tools", "kto_tag", "other"}
)
MESSAGE_KEYS = [
    *("role", "content", "weight", "name", "tool_calls", "tool_call_id", "reasoning_content"),
    *("from", "value", "function_call", "thinking", "other"),
]
READ, FLAWED = "read", "flawed"


def changed_once(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every copy of the row with one value at the top, or in one message, put in the place of another."""
    yield from (row | {key: odd} for key in COLUMNS for odd in ODD)
    for key, value in row.items():
        if isinstance(value, dict):
            yield from (row | {key: message} for message in changed_messages(value))
        if isinstance(value, list):
            for index, message in enumerate(value):
                for changed in changed_messages(message):
                    yield row | {key: [*value[:index], changed, *value[index + 1 :]]}


def changed_messages(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (message | {key: odd} for key in MESSAGE_KEYS for odd in ODD)
    yield from (message | {key: role} for key in ("role", "from") if key in message for role in (*ROLES, "nobody"))


def told(name: str, example: Example) -> tuple[object, ...]:
    """All that is known of a row."""
    whole = example.as_conversation()
    counts = (whole.roles, whole.learned, whole.masked, [*whole.calls], whole.is_unanswered, whole.trains)
    messages = [message.as_dict() for message in whole.messages]
    return name, type(example), example.is_trainable, example.texts(), counts, messages


def decoded(decoder: FormatDecoder, row: dict[str, Any]) -> tuple[object, ...] | None:
    """None: the decoder makes an object of it."""
    value = decoder.decode(json.dumps(row).encode())
    if isinstance(value, dict):
        return None
    try:
        return (READ, *told(value.name, value.example()))
    except RowRefused as error:
        return FLAWED, error.field, error.reason


def from_object(reader: RowReader, row: dict[str, Any]) -> tuple[object, ...]:
    try:
        return (READ, *told(*reader.read(row)))
    except RowRefused as error:
        return FLAWED, error.field, error.reason


def decoder_after(kind: str, *rows: dict[str, Any]) -> FormatDecoder:
    decoder = FormatDecoder(RowReader(ExampleKind(kind)))
    for row in rows:
        decoder.decode(json.dumps(row).encode())
    return decoder


class TestFormatDecoder:
    @pytest.mark.parametrize("is_filled_up", [False, True])
    @pytest.mark.parametrize(("kind", "good"), [*GOOD_ROWS, *RICH_ROWS])
    def test_what_it_decodes_is_read_alike_from_objects(
        self, kind: str, good: dict[str, Any], is_filled_up: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if is_filled_up:
            good = dict.fromkeys(COLUMNS) | good
        decoder, reader = decoder_after(kind, good), RowReader(ExampleKind(kind))
        monkeypatch.setattr(decoder, "_tries", 0)
        assert decoded(decoder, good) is not None
        for row in (twice for once in changed_once(good) for twice in (once, once | {"system": "s"})):
            found = decoded(decoder, row)
            assert found is None or found == from_object(reader, row), row

    @pytest.mark.parametrize(("kind", "row"), [*GOOD_ROWS, *RICH_ROWS])
    def test_learns_the_columns_of_each_row(self, kind: str, row: dict[str, Any]) -> None:
        decoder = decoder_after(kind, row | {"id": 7})
        assert decoded(decoder, row | {"id": "x"}) is not None
        assert decoded(decoder, row | {"id": 7, "new": 1e300}) is None
        assert decoded(decoder, row | {"id": 7, "new": None}) is not None
        assert decoded(decoder, row) is not None

    def test_learns_another_format(self) -> None:
        decoder = decoder_after("conversation_or_text", {"text": "t"}, {"prompt": "p", "completion": "c"})
        assert decoded(decoder, {"prompt": "p", "completion": "d"}) is not None
        assert decoded(decoder, {"text": "t"}) is None

    def test_a_row_in_another_spelling_takes_nothing_from_those_that_follow(self) -> None:
        parts = {"messages": [USER, {"role": "assistant", "content": ["a"]}]}
        decoder = decoder_after("conversation_or_text", {"messages": [USER]}, parts)
        assert decoded(decoder, parts) is None
        assert decoded(decoder, {"messages": [USER, ANSWER]}) is not None

    @pytest.mark.parametrize(
        "column", [{"label": True}, {"kto_tag": "false"}, {"rejected": "r"}, {"label": "so so"}, {"rejected": ANSWER}]
    )
    def test_a_column_that_may_tell_of_another_format_is_looked_at(self, column: dict[str, Any]) -> None:
        row = {"messages": [USER, ANSWER]}
        decoder = decoder_after("conversation_or_text", row | dict.fromkeys(column))
        assert decoded(decoder, row) is not None
        assert decoded(decoder, row | column) is None

    def test_learns_but_so_often(self) -> None:
        rows = [{"text": "t", f"column {number}": 1} for number in range(40)]
        decoder = decoder_after("text", *rows)
        assert decoded(decoder, rows[5]) is not None
        assert decoded(decoder, rows[-1]) is None
        assert decoded(decoder, rows[-1]) is None

    @pytest.mark.parametrize("name", ['"', "\\", "\n", "\0"])
    def test_a_column_with_a_name_that_no_decoder_takes(self, name: str) -> None:
        decoder, row = FormatDecoder(RowReader(None)), {"text": "t", name: 1}
        assert [decoder.decode(json.dumps(row).encode()) for _ in range(2)] == [row] * 2

    def test_does_not_learn_a_thousand_columns(self) -> None:
        row = {"text": "t"} | {f"column {number}": number for number in range(1000)}
        assert decoded(decoder_after("text", row), row) is None

    @pytest.mark.parametrize("call", [{"arguments": "{"}, {"arguments": "[]"}, {"arguments": ""}, {"arguments": {}}])
    def test_odd_arguments_of_calls(self, call: dict[str, Any]) -> None:
        odd = CALLING | {"tool_calls": [CALL | {"function": {"name": "f"} | call}]}
        row = {"messages": [USER, odd]}
        found = decoded(decoder_after("conversation_or_text", RICH_ROWS[1][1]), row)
        assert found is not None
        assert found == from_object(RowReader(ExampleKind.CONVERSATION_OR_TEXT), row)

    @pytest.mark.parametrize(("ids", "is_odd"), [(("a", "a"), True), (("", ""), True), (("a", "b"), False)])
    def test_calls_with_one_id(self, ids: tuple[str, str], is_odd: bool) -> None:
        calling = CALLING | {"tool_calls": [CALL | {"id": call_id} for call_id in ids]}
        found = decoded(decoder_after("conversation_or_text", RICH_ROWS[1][1]), {"messages": [USER, calling]})
        assert found is not None
        assert found[0] == (FLAWED if is_odd else READ)

    @pytest.mark.parametrize(
        ("tools", "field", "reason"),
        [
            ([{"function": {}}], "tools[0].function.name", "missing"),
            ("f", "tools", "must be a list, not text"),
            ([1], "tools[0]", "must be an object, not a number"),
        ],
    )
    def test_odd_tools(self, tools: object, field: str, reason: str) -> None:
        found = decoded(decoder_after("conversation_or_text", RICH_ROWS[1][1]), RICH_ROWS[1][1] | {"tools": tools})
        assert found == (FLAWED, field, reason)


class TestDatasetReader:
    @pytest.mark.parametrize("tools", [b'[{"name": "f", "x": 1e999}]', b'[{"name": "f\xff"}]'])
    def test_what_is_broken_in_tools_is_a_issue_of_the_row(self, tmp_path: Path, tools: bytes) -> None:
        path = tmp_path / "d.jsonl"
        good = json.dumps(RICH_ROWS[1][1]).encode()
        path.write_bytes(
            good + b"\n" + good + b'\n{"messages": [{"role": "user", "content": "u"}], "tools": %s}' % tools
        )
        reader = DatasetReader(Source(path), ExampleKind.CONVERSATION_OR_TEXT)
        *_, last = reader.rows()
        assert not isinstance(last, BrokenRow)
        with pytest.raises(RowRefused, match=r"^line 3: (Number out of range|not valid UTF-8)"):
            reader.read(last)

    def test_a_task_has_all_of_its_row(self, tmp_path: Path) -> None:
        rows = [{"prompt": "p", "answer": number, "known only to the grader": [number]} for number in range(5)]
        path = tmp_path / "d.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        reader = DatasetReader(Source(path), ExampleKind.TASK)
        read = [reader.read(row)[1] for row in reader.rows() if not isinstance(row, BrokenRow)]
        assert [task.item for task in read] == rows  # type: ignore[union-attr]
