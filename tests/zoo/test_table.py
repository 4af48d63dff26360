from pathlib import Path

from tests.zoo import table
from tests.zoo.results import Result, append, read


def result(**changed: object) -> Result:
    facts: dict[str, object] = {
        "cell": "bloom/qwen/full",
        "architecture": "bloom",
        "family": "qwen",
        "method": "full",
        "trained": "exact",
        "served": "plain",
        "told": [],
        "seconds": 2.5,
        "commit": "abc",
    }
    return Result.model_validate(facts | changed)


def by_cell(*results: Result) -> dict[str, Result]:
    return {one.cell: one for one in results}


class TestTable:
    def test_says_what_holds_with_every_tokenizer(self) -> None:
        other = result(cell="bloom/gpt2/full", family="gpt2")
        assert "| bloom | dense, ALiBi, tied | exact | – | exact, plain batches |" in table.table(
            by_cell(result(), other)
        )

    def test_says_with_which_tokenizer_what_holds(self) -> None:
        other = result(cell="bloom/gpt2/full", family="gpt2", trained="refused", served="refused", told=["too | large"])
        text = table.table(by_cell(result(), other))
        assert "| exact (qwen); refused (gpt2) | – |" in text
        assert "| bloom/gpt2/full | too \\| large |" in text

    def test_hides_nothing_that_is_wrong(self) -> None:
        text = table.table(by_cell(result(served="wrong", told=["alone: other tokens"])))
        assert "| **wrong** |" in text
        assert "| bloom/qwen/full | alone: other tokens |" in text


class TestResults:
    def test_the_last_one_of_a_cell_counts(self, tmp_path: Path) -> None:
        path = tmp_path / "results.jsonl"
        append(path, result())
        append(path, result(served="exact"))
        assert read(path)["bloom/qwen/full"].served == "exact"

    def test_a_torn_line_is_none(self, tmp_path: Path) -> None:
        path = tmp_path / "results.jsonl"
        append(path, result())
        with path.open("a") as file:
            file.write('{"cell": "bl')
        assert list(read(path)) == ["bloom/qwen/full"]
        append(path, result(cell="gpt2/qwen/full"))
        assert list(read(path)) == ["bloom/qwen/full", "gpt2/qwen/full"]


class TestDocument:
    def test_has_the_table_of_the_file(self) -> None:
        """`python -m tests.zoo --write` puts it there."""
        assert table.in_document() == table.table(read())
