"""A row format that is no part of Finery, in one file: checked, counted, read by trainers and made tokens of."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from finery.contracts.datasets import Conversation, RowRefused, Source, iter_conversations
from finery.contracts.datasets.check import examine
from finery.contracts.datasets.formats import FORMATS
from finery.domain.datasets.statistics import measure
from finery.trainers.builtin import ensure_builtin
from finery.trainers.encoding import MASKED, Encoder
from tests.servers import ROOT

ROWS = [{"source": f"nummer {number}", "target": f"number {number}", "id": number} for number in range(4)]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(ROOT / "examples" / "formats")
    before = dict(FORMATS)
    import translation  # noqa: F401

    yield
    del sys.modules["translation"]
    FORMATS.clear()
    FORMATS.update(before)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


class TestTranslation:
    def test_is_checked(self, file: Path) -> None:
        report = examine(Source(file), "sft")
        assert (report.ok, report.shapes, report.messages) == (True, {"translation": 4}, 12)
        assert report.role_orders == {"system user assistant": 4}

    def test_a_row_in_cells_is_the_same(self, tmp_path: Path) -> None:
        cells = tmp_path / "d.csv"
        cells.write_text("source,target,into\n" + "".join(f"{row['source']},{row['target']},\n" for row in ROWS))
        assert examine(Source(cells), "sft").shapes == {"translation": 4}

    def test_what_is_wrong_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "d.jsonl"
        path.write_text('{"source": "eins", "target": 1}\n{"source": "zwei", "target": " "}\n{"source": "drei"}\n')
        report = examine(Source(path), "sft")
        assert [str(issue) for issue in report.issues] == [
            "line 1 (row 1): target: must be text, not a number",
            "line 3 (row 3): target: missing; a row of shape translation needs source, target",
        ]
        assert report.untrainable == 1
        refused = examine(Source(path), "kto").refusal
        assert "is of shape translation, which serves sft" in refused

    def test_is_counted(self, file: Path) -> None:
        found = measure(file, filename="d.jsonl")
        assert (found.shapes, found.roles) == ({"translation": 4}, {"system": 4, "user": 4, "assistant": 4})

    def test_is_learned(self, file: Path, tmp_path: Path) -> None:
        tokenizer = AutoTokenizer.from_pretrained(ensure_builtin("finery/tiny-llama", tmp_path / "models"))
        encoder = Encoder(tokenizer)
        learned = []
        for row in iter_conversations(file):
            assert isinstance(row, Conversation)
            (encoded,) = encoder.conversation(row, completion_only=True)
            learned.append(tokenizer.decode([label for label in encoded["labels"] if label != MASKED]))
        assert learned == [f"number {number}<|im_end|>" for number in range(4)]

    def test_a_trainer_names_the_line_of_a_bad_row(self, tmp_path: Path) -> None:
        path = tmp_path / "d.jsonl"
        path.write_text(json.dumps(ROWS[0]) + '\n{"source": "eins", "target": [1]}\n')
        with pytest.raises(RowRefused, match=r"^line 2: target: must be text, not a list"):
            list(iter_conversations(path))
