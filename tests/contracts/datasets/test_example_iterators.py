import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.datasets import (
    Conversation,
    Feedback,
    Preference,
    RowRefused,
    Text,
    iter_conversations,
    iter_feedback,
    iter_preferences,
    iter_texts,
)
from finery.kit.tables import BrokenRow

SHARED = Path(__file__).parents[4] / "shared" / "data"
SAMPLES = Path(__file__).parents[3] / "src" / "finery" / "samples"

Iterate = Callable[[Path, str | None], Iterator[Any]]

INFO = {
    "alpaca": {"file_name": "alpaca_zh_demo.json"},
    "dpo": {
        "file_name": "dpo_en_demo.json",
        "ranking": True,
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
    },
    "kto": {
        "file_name": "kto_en_demo.json",
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "kto_tag": "label"},
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
    },
    "text": {"file_name": "c4_demo.jsonl", "columns": {"prompt": "text"}},
}


def linked(folder: Path) -> Path:
    for file in SHARED.glob("*.json*"):
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "dataset_info.json").write_text(json.dumps(INFO))
    return folder


class TestIterRows:
    @pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not at hand")
    @pytest.mark.parametrize(
        ("name", "iterate", "count", "kind"),
        [
            ("alpaca_en_demo.json", iter_conversations, 999, Conversation),
            ("alpaca_zh_demo.json", iter_conversations, 1000, Conversation),
            ("identity.json", iter_conversations, 91, Conversation),
            ("c4_demo.jsonl", iter_conversations, 300, Text),
            ("c4_demo.jsonl", iter_texts, 300, Text),
            ("dpo_en_demo.json", iter_preferences, 299, Preference),
            ("kto_en_demo.json", iter_feedback, 300, Feedback),
        ],
    )
    def test_real_files(self, name: str, iterate: Iterate, count: int, kind: type) -> None:
        rows = list(iterate(SHARED / name, None))
        assert len(rows) == count
        assert all(isinstance(row, kind) and row.is_trainable for row in rows)

    @pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not at hand")
    @pytest.mark.parametrize(
        ("entry", "iterate"),
        [("alpaca", iter_conversations), ("dpo", iter_preferences), ("kto", iter_feedback), ("text", iter_texts)],
    )
    def test_real_files_by_their_entries_are_what_they_are_by_shape(
        self, tmp_path: Path, entry: str, iterate: Iterate
    ) -> None:
        folder = linked(tmp_path)
        file = folder / str(INFO[entry]["file_name"])
        assert list(iterate(folder, entry)) == list(iterate(file, None))

    @pytest.mark.parametrize(
        ("name", "iterate"),
        [
            ("instructions", iter_conversations),
            ("corpus", iter_texts),
            ("preferences", iter_preferences),
            ("feedback", iter_feedback),
        ],
    )
    def test_the_shipped_samples(self, name: str, iterate: Iterate) -> None:
        rows = list(iterate(SAMPLES / f"{name}.jsonl", None))
        assert rows
        assert all(row.is_trainable for row in rows)

    def test_names_line_and_field(self, tmp_path: Path) -> None:
        path = tmp_path / "d.jsonl"
        path.write_text('\n{"text": "t"}\n{"messages": [{"role": "x"}]}\n')
        rows = iter_conversations(path)
        assert next(rows) == Text("t")
        with pytest.raises(RowRefused, match=r"^line 3: messages\[0\]\.role: unknown role") as caught:
            next(rows)
        assert caught.value.line == 3

    def test_a_broken_row_ends_it(self, tmp_path: Path) -> None:
        path = tmp_path / "d.jsonl"
        path.write_text("{\n")
        with pytest.raises(BrokenRow):
            next(iter_texts(path))
