import json
import sys
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.chat_prompts import FALLBACK_CHAT_TEMPLATE
from finery.contracts.datasets.measurement import BUDGET_BYTES, Measurement, MeasurementRequest
from finery.contracts.datasets.recipes import example_kind_of
from finery.contracts.recipes import RECIPES
from finery.kit.one_shot_program import run_program
from finery.trainers import cpt, dpo, kto, reward, sft
from finery.trainers.encoding import MASKED, Encoder
from finery.trainers.errors import TrainingRefused
from finery.trainers.loading import load_tokenizer
from finery.trainers.measuring import measure
from finery.trainers.rows import Data, RowCounts
from tests.trainers.running import CORPUS, FEEDBACK, INSTRUCTIONS, PREFERENCES

SECRET = "Jane Roe, 42 Elm Street"
ROWS: dict[str, Any] = {"sft": sft._rows, "cpt": cpt._rows, "dpo": dpo._rows, "reward": reward._rows, "kto": kto._rows}


def request(dataset: Path, recipe: str, cache: Path, *, max_length: int = 64, **others: Any) -> MeasurementRequest:
    """`others` holds what is said of the recipe's configuration, too."""
    rules = RECIPES[recipe].tokens
    assert rules is not None
    return MeasurementRequest(
        dataset=dataset,
        entry=others.get("entry"),
        recipe=recipe,
        examples=example_kind_of(recipe),
        rules=rules.under(others.get("config", {})),
        model=others.get("model", "finery/tiny-llama"),
        models_cache=cache,
        max_length=max_length,
        budget_bytes=others.get("budget_bytes", BUDGET_BYTES),
    )


def write(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def trained(wanted: MeasurementRequest, model: Path) -> tuple[list[dict[str, Any]], RowCounts]:
    """The rows that the trainer itself makes."""
    settings = {"model_name": "m", "dataset_path": "d", "max_length": wanted.max_length}
    rules = wanted.rules.model_dump(include={*RECIPES[wanted.recipe].config.model_fields})
    config: Any = RECIPES[wanted.recipe].config.model_validate(settings | rules)
    encoder, counts = Encoder(load_tokenizer(str(model), config.chat_template)), RowCounts()
    return list(ROWS[wanted.recipe](config, encoder, Data("train", wanted.dataset), counts)), counts


def tokens_of(row: dict[str, Any]) -> tuple[int, int]:
    """All, and those that are learned."""
    if "labels" in row:
        return len(row["input_ids"]), sum(label != MASKED for label in row["labels"][1:])
    prompt = len(row.get("prompt_ids", ()))
    answers = [len(ids) for name, ids in row.items() if name.endswith("_ids") and name != "prompt_ids"]
    return sum(answers) + prompt * len(answers), sum(answers)


class TestMeasure:
    @pytest.mark.parametrize("max_length", [24, 64, 100_000])
    @pytest.mark.parametrize(
        ("recipe", "dataset", "config"),
        [
            ("sft", INSTRUCTIONS, {}),
            ("sft", INSTRUCTIONS, {"completion_only_loss": False}),
            ("sft", CORPUS, {}),
            ("cpt", CORPUS, {}),
            ("dpo", PREFERENCES, {}),
            ("reward", PREFERENCES, {}),
            ("kto", FEEDBACK, {}),
        ],
    )
    def test_is_what_the_trainer_makes(
        self, tiny_llama: Path, cache: Path, recipe: str, dataset: Path, config: dict[str, Any], max_length: int
    ) -> None:
        wanted = request(dataset, recipe, cache, max_length=max_length, config=config)
        found = measure(wanted)
        rows, counts = trained(wanted, tiny_llama)
        tokens = [tokens_of(row) for row in rows]
        assert found.tokens == sum(total for total, _ in tokens)
        # A row of `reward` holds its prompt in both answers, and does not say where it ends.
        if recipe != "reward":
            assert found.trainable_tokens == sum(learned for _, learned in tokens)
        assert found.vanished == counts.dropped.get("prompt fills max_length", 0)
        assert found.is_exact
        assert found.rows == found.measured == len(dataset.read_text().splitlines())
        if recipe != "cpt":
            assert found.kept == counts.kept

    def test_lengths_are_those_before_the_cut(self, tmp_path: Path, cache: Path) -> None:
        rows = [{"prompt": "p", "completion": "a " * number} for number in range(1, 101)]
        path = write(tmp_path, *rows)
        short, long = (measure(request(path, "sft", cache, max_length=length)) for length in (32, 10_000))
        assert short.lengths == long.lengths
        assert long.lengths.min < long.lengths.p50 < long.lengths.p95 < long.lengths.max
        assert (long.truncated, long.vanished) == (0, 0)
        assert 0 < short.truncated < 100

    def test_names_rows_that_the_template_refuses(self, tmp_path: Path, cache: Path) -> None:
        good = {"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}
        bad = {"messages": [*good["messages"], {"role": "tool", "content": SECRET}]}
        config = {"chat_template": FALLBACK_CHAT_TEMPLATE}
        found = measure(request(write(tmp_path, good, bad), "sft", cache, config=config))
        assert (found.kept, found.failed) == (1, 1)
        assert [failure.line for failure in found.failures] == [2]
        assert "knows the roles system, user and assistant" in found.failures[0].reason

    def test_a_template_that_repeats_the_row(self, tmp_path: Path, cache: Path) -> None:
        template = "{{ raise_exception('I do not like ' + messages[0]['content']) }}"
        path = write(tmp_path, {"prompt": SECRET, "completion": "a"})
        found = measure(request(path, "sft", cache, config={"chat_template": template}))
        assert found.failed == 1
        assert "Jane" not in found.model_dump_json()
        assert found.failures[0].reason == "the chat template refuses the messages"

    def test_invalid_and_idle_rows(self, tmp_path: Path, cache: Path) -> None:
        path = write(tmp_path, {"prompt": "p", "completion": "a"}, {"prompt": 1}, {"prompt": "p", "completion": " "})
        found = measure(request(path, "sft", cache))
        assert (found.rows, found.kept, found.invalid, found.idle) == (3, 1, 1, 1)

    def test_an_even_sample_of_a_large_file(self, tmp_path: Path, cache: Path) -> None:
        path = write(tmp_path, *({"prompt": "p", "completion": f"a{number}"} for number in range(100)))
        found = measure(request(path, "sft", cache, budget_bytes=path.stat().st_size // 10))
        assert (found.is_exact, found.rows) == (False, 100)
        assert found.measured == found.kept == -(-100 // found.stride)
        assert 10 <= found.stride <= 11

    def test_a_model_without_a_tokenizer(self, tmp_path: Path, cache: Path) -> None:
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(TrainingRefused, match="cannot be loaded"):
            measure(request(INSTRUCTIONS, "sft", cache, model=str(tmp_path)))


class TestMain:
    def test_one_document(self, tiny_llama: Path, cache: Path) -> None:
        question = request(INSTRUCTIONS, "sft", cache).model_dump_json().encode()
        answer = run_program([sys.executable, "-m", "finery.trainers.measuring"], question, seconds=120)
        assert Measurement.model_validate_json(answer).kept > 0

    def test_what_cannot_be_read_is_an_answer(self, tiny_llama: Path, cache: Path, tmp_path: Path) -> None:
        question = request(tmp_path / "none.jsonl", "sft", cache).model_dump_json().encode()
        answer = run_program([sys.executable, "-m", "finery.trainers.measuring"], question, seconds=120)
        refused = "the file cannot be read: No such file or directory"
        assert json.loads(answer) == {"refused": refused, "would_fail": False, "field": "chat_template"}

    def test_a_template_without_end_or_measure(self, tiny_llama: Path, cache: Path) -> None:
        template = {"chat_template": "{{ 'a' * 9999999999 }}"}
        question = request(INSTRUCTIONS, "sft", cache, config=template).model_dump_json().encode()
        answer = run_program([sys.executable, "-m", "finery.trainers.measuring"], question, seconds=120)
        refused = "the chat template takes more than 1 GiB of memory; choose another chat_template"
        assert json.loads(answer) == {"refused": refused, "would_fail": True, "field": "chat_template"}
