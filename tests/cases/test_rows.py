"""Inputs of this folder that went wrong in other trainers, or here: how their rows are read and checked."""

from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from finery.contracts.datasets.check import examine
from finery.contracts.datasets.conversation import Conversation
from finery.contracts.datasets.example_iterators import iter_conversations, iter_preferences
from finery.contracts.datasets.info import open_source
from finery.contracts.datasets.message_reader import RowRefused
from finery.contracts.datasets.report import DatasetReport, WarningKind

CASES = Path(__file__).parent
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "w",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def conversations(name: str) -> list[Conversation]:
    return [row for row in iter_conversations(CASES / name) if isinstance(row, Conversation)]


def check(path: Path, recipe: str = "sft") -> DatasetReport:
    return examine(open_source(path), recipe)


def said(row: Conversation) -> list[dict[str, Any]]:
    return [message.as_dict() for message in row.messages]


class TestFunctions:
    def test_are_tools(self) -> None:
        assert [row.tools for row in conversations("legacy_functions.jsonl")] == [[WEATHER], [WEATHER]]

    def test_are_tools_of_a_preference(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        path.write_text(
            '{"input": {"messages": [{"role": "user", "content": "a"}], "functions": [{"name": "f"}]},'
            ' "preferred_output": [{"role": "assistant", "content": "b"}],'
            ' "non_preferred_output": [{"role": "assistant", "content": "c"}]}\n'
        )
        assert [row.tools for row in iter_preferences(path)] == [[{"type": "function", "function": {"name": "f"}}]]


class TestParquet:
    def test_has_no_arguments_of_other_rows(self) -> None:
        columns, lines = conversations("tools_union.parquet"), conversations("tools_union.jsonl")
        assert [(said(row), row.tools) for row in columns] == [(said(row), row.tools) for row in lines]

    def test_nor_what_is_nested_deeper(self, tmp_path: Path) -> None:
        calls = [{"a": {"list": [{"x": 1}, {"y": 2}]}}, {"b": {"list": [{"z": {"w": [3]}}]}}, {"a": {"list": []}}]
        rows = [
            {
                "messages": [
                    {"role": "user", "content": "x"},
                    {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]},
                ]
            }
            for arguments in calls
        ]
        parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "rows.parquet")
        read = list(iter_conversations(tmp_path / "rows.parquet"))
        assert [row.calls[0].function.arguments for row in read if isinstance(row, Conversation)] == calls


class TestArrowStream:
    def write(self, path: Path, rows: list[dict[str, Any]]) -> Path:
        table = pyarrow.Table.from_pylist(rows)
        with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=1000)
        return path

    def test_is_read_whole(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "data.arrow", [{"prompt": f"{n}?", "completion": "!"} for n in range(2500)])
        assert (check(path).rows, check(path).refusal) == (2500, "")

    def test_that_is_cut_off_or_damaged_is_refused(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "data.arrow", [{"prompt": f"{n}?", "completion": "!"} for n in range(2500)])
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        assert "damaged" in check(path).refusal
        path.write_bytes(b"\xff" * 100)
        assert "damaged" in check(path).refusal


class TestMasks:
    def test_are_honoured(self) -> None:
        rows = conversations("foreign_masks.jsonl")
        assert [row.trains for row in rows[:3]] == [[False, False, False, True]] * 3

    @pytest.mark.parametrize("key", ["loss", "train", "trainable", "training"])
    def test_of_a_question_say_what_is_so_anyway(self, key: str, tmp_path: Path) -> None:
        path = tmp_path / "rows.json"
        question = f'{{"role": "user", "content": "x", "{key}": false}}'
        path.write_text(f'[{{"messages": [{question}, {{"role": "assistant", "content": "y"}}]}}]')
        assert [row.learned for row in iter_conversations(path) if isinstance(row, Conversation)] == [1]
        path.write_text(path.read_text().replace("false", "true"))
        with pytest.raises(RowRefused, match=f"{key}: only an assistant's message is learned"):
            list(iter_conversations(path))

    def test_that_contradict_each_other_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.json"
        path.write_text('[{"messages": [{"role": "assistant", "content": "y", "loss": true, "train": false}]}]')
        with pytest.raises(RowRefused, match="train: contradicts another key"):
            list(iter_conversations(path))

    def test_what_is_misspelt_is_pointed_out(self) -> None:
        found = {warning.kind: warning for warning in check(CASES / "foreign_masks.jsonl").warnings}
        unknown = found[WarningKind.UNKNOWN_KEY]
        assert "'weigth' (did you mean 'weight'?)" in unknown.message
        assert [place.line for place in unknown.places] == [4]


class TestSeveralLines:
    @pytest.mark.parametrize(
        ("name", "key"), [("wrapped.json", "data"), ("one_object.json", "messages"), ("pretty.jsonl", "messages")]
    )
    def test_are_told_in_one_sentence(self, name: str, key: str) -> None:
        report = check(CASES / name)
        assert report.refusal == (
            "the file is one object over several lines; write an array, or one object a line "
            f"(of its list '{key}' alone, if that holds the rows)"
        )
        assert report.issues == ()

    def test_a_line_that_is_cut_off_is_one_bad_line(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        path.write_text('{"messages": [{"role": "user", "con\n{"prompt": "a", "completion": "b"}\n')
        assert [issue.line for issue in check(path).issues] == [1]

    def test_in_one_line_the_list_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.json"
        path.write_text('{"data": [{"instruction": "a", "output": "b"}]}')
        assert "if the rows are the list 'data', write that alone" in check(path).refusal


class TestOneLabel:
    def test_is_pointed_out(self) -> None:
        (warning,) = check(CASES / "kto_onelabel.jsonl", "kto").warnings
        assert (warning.kind, warning.count) == (WarningKind.ONE_LABEL, 8)
        assert "nothing to contrast" in warning.message

    def test_not_where_there_are_two(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        text = (CASES / "kto_onelabel.jsonl").read_text()
        path.write_text(text.replace("true", "false", 1))
        assert check(path, "kto").warnings == ()
