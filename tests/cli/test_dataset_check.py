import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Finery

ROW = {"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}


def write(folder: Path, *rows: dict[str, Any], name: str = "d.jsonl") -> str:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


class TestCheck:
    def test_without_a_server(self, alone: Finery, tmp_path: Path) -> None:
        validation = write(tmp_path, ROW, name="v.jsonl")
        ended = alone("datasets", "check", write(tmp_path, ROW, ROW), "--validation", validation)
        assert (ended.code, ended.err) == (0, "")
        assert "rows         2, 2 to learn from, 0 with an issue" in ended.out
        assert "warning: 1 × has the messages of an earlier row: line 2" in ended.out
        assert f"2 rows are in {validation} too" in ended.out
        assert ended.out.endswith("A run may train on it.\n")

    def test_names_what_is_refused(self, alone: Finery, tmp_path: Path) -> None:
        ended = alone("datasets", "check", write(tmp_path, ROW, {"messages": [{"role": "usr"}]}))
        assert ended.code == 2
        assert "line 2 (row 2): messages[0].role: unknown role" in ended.out
        assert "1 of 2 rows has an issue." in ended.out

    def test_json(self, alone: Finery, tmp_path: Path) -> None:
        ended = alone("datasets", "check", write(tmp_path, ROW), "--json")
        assert (ended.json["ok"], ended.json["rows"], ended.json["shapes"]) == (True, 1, {"messages": 1})

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["none.jsonl"], "none.jsonl is neither a file nor a folder"),
            (["FILE", "--recipe", "grep"], "--recipe: grep learns from no dataset; known: sft"),
            (["FILE", "--validation", "none.jsonl"], "none.jsonl is neither a file nor a folder"),
            (["."], "has no dataset_info.json"),
        ],
    )
    def test_wrong_usage(self, alone: Finery, tmp_path: Path, arguments: list[str], said: str) -> None:
        file = write(tmp_path, ROW)
        ended = alone("datasets", "check", *(file if word == "FILE" else word for word in arguments))
        assert ended.code == 2
        assert said in ended.err

    @pytest.mark.slow
    def test_in_a_models_tokens(self, alone: Finery, tmp_path: Path) -> None:
        pytest.importorskip("transformers")
        from finery.trainers.builtin.tokenizer import train_tokenizer

        train_tokenizer().save_pretrained(tmp_path / "model")
        ended = alone("datasets", "check", write(tmp_path, ROW), "--model", "model", "--max-length", "32")
        assert ended.code == 0
        assert "of them learned; per row" in ended.out
