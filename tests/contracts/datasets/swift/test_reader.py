import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.datasets import Source
from finery.contracts.datasets.messages import ROLES
from finery.contracts.datasets.recipes import READER_OF_KIND, kind_of
from finery.contracts.datasets.rows import ExampleKind
from finery.contracts.datasets.shapes import KEYS, SHAPES_OF_KIND, shape_of
from finery.contracts.datasets.signatures import texts_of
from finery.contracts.datasets.swift.base import Study, SwiftRow
from finery.contracts.datasets.swift.reader import SwiftReader, roles_of
from finery.contracts.datasets.tally import Tally, order_of
from finery.kit.tables import Row

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
    *(("sft", {"messages": messages}) for messages in GOOD_MESSAGES),
    *(("sft", {"conversations": turns}) for turns in GOOD_TURNS),
    ("sft", {"instruction": "i", "input": "", "output": "o"}),
    ("sft", {"prompt": "p", "completion": "c"}),
    ("sft", {"question": "q", "answer": "a"}),
    ("sft", {"text": "t"}),
    ("cpt", {"text": "t"}),
    ("dpo", {"prompt": "p", "chosen": "c", "rejected": "r"}),
    ("dpo", {"conversations": GOOD_TURNS[2], "chosen": GOOD_TURNS[0][1], "rejected": GOOD_TURNS[1][2]}),
    ("kto", {"prompt": "p", "completion": "c", "label": True}),
]

OTHER_KEYS = {"input", "system", "history", "tools", "kto_tag", "other"}
MESSAGE_KEY_NAMES = ["role", "content", "weight", "name", "tool_calls", "tool_call_id", "reasoning_content"]
ODD = ["", " \n", "a", "日本", "true", None, 0, 1, 2, 1.5, True, [], {}, [["q", "r"]], [USER], [ANSWER]]
ROW_KEYS = sorted({key for keys in KEYS.values() for key in keys} | OTHER_KEYS)
MESSAGE_KEYS = [*MESSAGE_KEY_NAMES, "from", "value", "function_call", "thinking", "other"]


def changed_once(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every copy of the row with one value at the top, or in one message, put in the place of another."""
    yield from (row | {key: odd} for key in ROW_KEYS for odd in ODD)
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


RICH_ROWS: list[dict[str, Any]] = [
    {"messages": [USER, ANSWER | {"weight": 0}, USER, ANSWER | {"weight": 1, "name": "n"}]},
    {"messages": [USER, CALLING, TOOL, ANSWER], "tools": TOOLS},
    {"messages": [USER, CALLING, USER, ANSWER | {"weight": 0}]},
    {"messages": [{"role": "developer", "content": "d"}, USER, CALLING | {"weight": 0}]},
]


def examined(row: SwiftRow) -> tuple[object, ...] | None:
    """What a swift row is: shape, roles, trainable, signature, answers masked, calls, unanswered."""
    study = type(row).study([row])
    if study is None:
        return None
    roles = roles_of(study.orders[0], row.shape)
    return None if roles is None else (row.shape, roles, *_study(study))


def _study(study: Study) -> tuple[object, ...]:
    return not study.idle, study.hashes[0], study.masked, study.calls, bool(study.unanswered)


def long_way(recipe: str, row: dict[str, Any]) -> tuple[object, ...]:
    tally = Tally(Source(Path("d")), recipe)
    tally.add(Row(1, 1, row, 1))
    report = tally.report(size=0)
    assert not report.flaws
    example = READER_OF_KIND[kind_of(recipe)](row)
    unanswered = any(warning.kind == "unanswered_call" for warning in report.warnings)
    return (
        shape_of(row, SHAPES_OF_KIND[kind_of(recipe)]),
        order_of(example),
        example.is_trainable,
        hash(texts_of(example)),
        report.masked_messages,
        report.tool_calls,
        unanswered,
    )


class TestSwiftReader:
    @pytest.mark.parametrize("is_filled_up", [False, True])
    @pytest.mark.parametrize(("recipe", "good"), [*GOOD_ROWS, *(("sft", row) for row in RICH_ROWS)])
    def test_what_it_takes_the_long_way_reads_alike(
        self, recipe: str, good: dict[str, Any], is_filled_up: bool
    ) -> None:
        if is_filled_up:
            good = dict.fromkeys(ROW_KEYS) | good
        reader = SwiftReader(kind_of(recipe))
        assert reader.read(json.dumps(good).encode())
        for row in (twice for once in changed_once(good) for twice in (once, once | {"system": "s"})):
            swift = reader.read(json.dumps(row).encode())
            found = examined(swift) if swift else None
            if found is not None:
                assert found == long_way(recipe, row), row

    @pytest.mark.parametrize(("recipe", "row"), [*GOOD_ROWS, *(("sft", row) for row in RICH_ROWS)])
    def test_takes_the_common_shapes(self, recipe: str, row: dict[str, Any]) -> None:
        tally = Tally(Source(Path("d")), recipe)
        assert tally.take(json.dumps(row | {"id": 7}).encode(), 1, 1)
        assert not tally.take(json.dumps(row | {"id": 7, "new": 1e300}).encode(), 2, 2)

    @pytest.mark.parametrize("row", RICH_ROWS)
    def test_goes_on_with_a_richer_struct(self, row: dict[str, Any]) -> None:
        reader = SwiftReader(ExampleKind.CONVERSATION_OR_TEXT)
        assert reader.read(json.dumps(GOOD_ROWS[0][1]).encode())
        assert reader.read_block(json.dumps(row).encode()) is None
        assert reader.read(json.dumps(row).encode())
        block = "\n".join(json.dumps(each) for each in (row, GOOD_ROWS[0][1])).encode()
        assert len(reader.read_block(block) or ()) == 2

    @pytest.mark.parametrize(
        "block",
        [
            "{row}\n",
            "\n{row}",
            "{row}\n\n{row}",
            "{row} {row}\n",
            "{row},{row}",
            "{row},",
            "{row}\n{row},{row}",
            "{row}\n{row}}}",
            "{row}\nnull",
            "{row}\n[{row}]",
            "{row}\n{row} \x00",
            "{row}\n{cut}\n{off}",
            "{row},{row}\n{cut}\n{off}",
            '{row}}},{{"row":{row}\n{cut}\n{off}',
        ],
    )
    def test_leaves_a_block_where_a_line_is_no_row_to_the_long_way(self, block: str) -> None:
        row = json.dumps(GOOD_ROWS[0][1] | {"id": [{"a": 5, "b": 6}]})
        # The two halves of a row lack what a line's end is replaced with, so that together they would be read as one.
        cut, _, off = row.partition(', "b": ')
        reader = SwiftReader(ExampleKind.CONVERSATION_OR_TEXT)
        assert reader.read(row.encode())
        assert len(reader.read_block(f"{row}\n {row}\r\n{row}".encode()) or ()) == 3
        assert reader.read_block(block.format(row=row, cut=cut, off=off).encode()) is None

    @pytest.mark.parametrize("call", [{"arguments": "{"}, {"arguments": "[]"}, {"arguments": ""}, {"name": None}])
    def test_leaves_odd_calls_to_the_long_way(self, call: dict[str, Any]) -> None:
        odd = CALLING | {"tool_calls": [CALL | {"function": CALL["function"] | call}]}  # type: ignore[operator]
        reader = SwiftReader(ExampleKind.CONVERSATION_OR_TEXT)
        assert reader.read(json.dumps(RICH_ROWS[1]).encode())
        row = reader.read(json.dumps({"messages": [USER, odd]}).encode())
        assert row is None or examined(row) is None

    @pytest.mark.parametrize(("ids", "is_odd"), [(("a", "a"), True), (("", ""), True), (("a", "b"), False)])
    def test_leaves_calls_with_one_id_to_the_long_way(self, ids: tuple[str, str], is_odd: bool) -> None:
        calling = CALLING | {"tool_calls": [CALL | {"id": call_id} for call_id in ids]}
        row = SwiftReader(ExampleKind.CONVERSATION_OR_TEXT).read(json.dumps({"messages": [USER, calling]}).encode())
        assert row is not None
        assert (examined(row) is None) is is_odd

    def test_leaves_odd_tools_to_the_long_way(self) -> None:
        row = SwiftReader(ExampleKind.CONVERSATION_OR_TEXT).read(
            json.dumps(RICH_ROWS[1] | {"tools": [{"function": {}}]}).encode()
        )
        assert row is not None
        assert examined(row) is None
