"""A training that taught nothing says so, with what to do."""

from pathlib import Path
from typing import Any

import pytest

from finery.contracts.recipes import RECIPES, TrainingConfig
from finery.trainers.learning_signals import signals
from tests.trainers.running import carry_out, chat, make_run, write_rows

GRADER = {"type": "string_check", "name": "g", "operation": "eq", "input": "{{ sample.output_text }}", "reference": "x"}
LN_1000 = 6.9
NOISY = (4.4, 4.8, 4.3, 4.6, 4.5, 4.7, 4.3, 4.6, 4.5, 4.4, 4.7, 4.8, 4.3, 4.5, 4.6, 4.4, 4.7, 4.4)
"""4.55 in the first third, 4.55 in the last."""


def codes(recipe: str, history: list[dict[str, Any]], *, base: str = "/m", **config: Any) -> list[str]:
    graded = {"grader": GRADER} if recipe == "grpo" else {}
    asked = RECIPES[recipe].config.model_validate({"model_name": "m", "dataset_path": "d", **graded, **config})
    assert isinstance(asked, TrainingConfig)
    return [signal.code for signal in signals(recipe, asked, history, base=base, vocabulary=1000)]


def losses(*values: float) -> list[dict[str, Any]]:
    return [{"loss": value} for value in values]


class TestLoss:
    @pytest.mark.parametrize("recipe", ["sft", "cpt", "dpo", "kto", "reward"])
    def test_that_did_not_fall(self, recipe: str) -> None:
        assert codes(recipe, losses(0.7, 0.69, 0.71, 0.7, 0.7, 0.7)) == ["loss_did_not_fall"]
        assert codes(recipe, losses(0.7, 0.69, 0.71, 0.9, 0.9, 1.2)) == ["loss_did_not_fall"]

    @pytest.mark.parametrize(
        "values",
        [
            (3, 3, 3, 3, 3),
            (3, 2.5, 2.2, 2, 1.9, 1.5),
            (0.04, 0.04, 0.04, 0.04, 0.04, 0.04),
            (3, 3.5, 2.9, 2.9, 2.8, 3),
            NOISY,
        ],
        ids=["few steps", "falling", "learned already", "up and down", "too noisy to tell"],
    )
    def test_that_says_nothing(self, values: tuple[float, ...]) -> None:
        assert codes("sft", losses(*values)) == []

    def test_of_reinforcement_says_nothing(self) -> None:
        assert codes("grpo", [{"loss": 0.0, "frac_reward_zero_std": 0.5}] * 9) == []


class TestReward:
    @pytest.mark.parametrize(("shares", "warned"), [((1.0, 1.0), True), ((1.0, 0.85), True), ((1.0, 0.5), False)])
    def test_without_spread(self, shares: tuple[float, ...], warned: bool) -> None:
        history = [{"loss": 0.0, "frac_reward_zero_std": share} for share in shares]
        assert codes("grpo", history) == (["reward_without_spread"] if warned else [])


class TestUntrainedBase:
    def test_by_its_first_loss(self) -> None:
        assert codes("sft", losses(LN_1000), use_lora=True) == ["untrained_base"]
        assert codes("sft", losses(LN_1000), use_lora=False) == []
        assert codes("sft", losses(4.0), use_lora=True) == []

    @pytest.mark.parametrize("recipe", ["dpo", "kto"])
    def test_by_its_name(self, recipe: str) -> None:
        assert codes(recipe, losses(0.7), base="finery/tiny-qwen") == ["untrained_base"]
        assert codes(recipe, losses(0.7), base="finery/tiny-llama-instruct") == []


class TestRuns:
    def test_that_taught_nothing(self, tmp_path: Path, cache: Path) -> None:
        settings = {"use_lora": True, "max_steps": 6, "learning_rate": 1e-9, "max_length": 32, "batch_size": 2}
        rows = write_rows(tmp_path / "rows.jsonl", [chat("Say it.", "iron and fire " * 40)] * 4)
        result = carry_out(make_run(tmp_path, "sft", cache=cache, dataset=rows, **settings))
        assert result.outcome.reason == "completed"
        warned = {data["code"]: data for data in result.of("notice") if data["level"] == "warning"}
        assert warned.keys() == {"rows_truncated", "untrained_base", "loss_did_not_fall"}
        assert "try a higher learning_rate" in warned["loss_did_not_fall"]["message"]
        assert "train it in full first" in warned["untrained_base"]["message"]
        lost = warned["rows_truncated"]
        assert (lost["count"], lost["setting"]) == (4, "max_length")
        assert lost["lost_tokens"] > 4 * 40
        assert f"{lost['lost_tokens']} tokens are lost; raise max_length" in lost["message"]

    def test_that_taught_something(self, tmp_path: Path, cache: Path) -> None:
        rows = write_rows(tmp_path / "rows.jsonl", [chat("Who are you?", "I am Finery.")])
        settings = {"max_steps": 9, "learning_rate": 5e-3}
        result = carry_out(make_run(tmp_path, "sft", cache=cache, dataset=rows, **settings))
        assert [data for data in result.of("notice") if data["level"] == "warning"] == []
