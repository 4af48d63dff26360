"""Reinforcement: the reward rises, what is told of it is right, and what cannot be graded is said."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from finery.trainers.builtin import ensure_builtin
from tests.trainers.running import Ended, carry_out, make_run, write_rows
from tests.trainers.test_controls import _pause_at_first_step, request_control

QUESTIONS = ["What is Finery?", "What is LoRA?", "What is SFT?", "What is a checkpoint?"]
HAS_LETTER = {
    "type": "string_check",
    "name": "has_letter",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.letter }}",
    "operation": "like",
}
SHORT = {
    "type": "python",
    "name": "short",
    "source": "def grade(sample, item):\n    return 1 / (1 + len(sample['output_text']))",
}
SETTINGS: dict[str, Any] = {
    "max_length": 64,
    "max_completion_length": 4,
    "n_generations": 4,
    "batch_size": 2,
    "max_steps": 2,
    "learning_rate": 5e-3,
    "grader": HAS_LETTER,
}


def tasks(folder: Path, **fields: Any) -> Path:
    rows = [{"messages": [{"role": "user", "content": question}], "letter": "e", **fields} for question in QUESTIONS]
    return write_rows(folder / "tasks.jsonl", rows)


def reinforce(folder: Path, cache: Path, **settings: Any) -> Ended:
    dataset = settings.pop("dataset", None) or tasks(folder)
    return carry_out(make_run(folder, "grpo", cache=cache, dataset=dataset, **{**SETTINGS, **settings}))


class TestLearning:
    @pytest.mark.slow
    def test_the_reward_rises(self, tmp_path: Path, cache: Path) -> None:
        """Half of the untrained model's answers have the letter; what it learns from is the grader alone."""
        settings = {"n_generations": 16, "max_steps": 25, "beta": 0.0, "lr_scheduler": "constant"}
        result = reinforce(tmp_path, cache, **settings)
        rewards = [data["reward"] for data in result.of("progress")]
        assert sum(rewards[:4]) / 4 < 0.7
        assert sum(rewards[-4:]) / 4 > 0.95
        assert result.outcome.metrics["reward"] == rewards[-1]

    @pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
    def test_the_weights_move(self, lora: bool, tmp_path: Path, cache: Path) -> None:
        result = reinforce(tmp_path, cache, use_lora=lora, merge_adapter=lora, gradient_accumulation_steps=2)
        assert (result.code, result.outcome.reason, result.outcome.message) == (0, "completed", None)
        before = AutoModelForCausalLM.from_pretrained(ensure_builtin("finery/tiny-llama", cache))
        after = AutoModelForCausalLM.from_pretrained(tmp_path / "output" / ("merged" if lora else ""))
        name = "model.layers.0.self_attn.q_proj.weight"
        assert not torch.equal(before.state_dict()[name], after.state_dict()[name])


class TestEvents:
    def test_tells_what_the_grader_said(self, tmp_path: Path, cache: Path) -> None:
        multi = {
            "type": "multi",
            "graders": {"letter": HAS_LETTER, "short": SHORT | {"pass_threshold": 0.5}},
            "calculate_output": "(letter + short) / 2",
        }
        result = reinforce(tmp_path, cache, grader=multi, eval_split=0.25, eval_steps=2, eval_generations=2, beta=0.04)
        progress = result.of("progress")
        assert [data["step"] for data in progress] == [1, 2]
        for data in progress:
            assert {"loss", "reward_std", "kl", "completion_length", "completions_cut", "tokens"} <= set(data)
            assert data["reward"] == pytest.approx((data["graders_letter"] + data["graders_short"]) / 2, abs=1e-5)
            assert data["grader_errors"] == 0.0
            assert 1 <= data["completion_length"] <= 4
            assert 0.0 <= data["graders_short_passed"] <= 1.0
            assert not {"rewards_of_answers_mean", "step_time"} & set(data)
        assert progress[0]["kl"] == 0.0
        assert progress[1]["kl"] > 0.0
        samples = result.of("sample")
        assert [data["step"] for data in samples] == [1, 2]
        assert samples[0]["prompt"] in QUESTIONS
        assert samples[0]["scores"]["letter"] == float("e" in samples[0]["text"])
        assert samples[0]["reward"] == pytest.approx(sum(samples[0]["scores"].values()) / 2)
        (evaluation,) = result.of("evaluation")
        assert {"step", "loss", "reward", "graders_letter"} <= set(evaluation)
        assert result.of("notice") == []

    def test_what_cannot_be_graded_is_told_once_and_counted(self, tmp_path: Path, cache: Path) -> None:
        result = reinforce(tmp_path, cache, grader=HAS_LETTER | {"reference": "{{ sample.output_json.x }}"})
        assert result.outcome.reason == "completed"
        first, last, silent = result.of("notice")
        assert (first["code"], first["error"]) == ("grader_error", "sample_parse_error")
        assert (last["code"], last["count"], last["graded"]) == ("grader_errors", 16, 16)
        assert (silent["code"], silent["setting"]) == ("reward_without_spread", "grader")
        assert [data["grader_errors"] for data in result.of("progress")] == [1.0, 1.0]

    def test_a_judge_is_asked(self, tmp_path: Path, cache: Path) -> None:
        judge = {
            "type": "score_model",
            "name": "judge",
            "model": "finery/tiny-qwen",
            "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
            "sampling_params": {"max_completions_tokens": 2},
            "range": [-1, 1],
        }
        result = reinforce(tmp_path, cache, grader=judge, max_steps=1)
        # An untrained judge says nothing that is a number.
        assert result.of("progress")[0]["reward"] == -1.0
        assert result.of("notice")[0]["error"] == "model_grader_parse_error"

    def test_packages_of_another_service_are_not_promised(self, tmp_path: Path, cache: Path) -> None:
        result = reinforce(tmp_path, cache, grader=SHORT | {"image_tag": "2025-05-08"}, max_steps=1)
        assert [data["code"] for data in result.of("notice")] == ["image_tag_unused"]


class TestRows:
    def test_what_lacks_a_field_of_the_grader_is_left_out(self, tmp_path: Path, cache: Path) -> None:
        rows = [{"prompt": "a", "letter": "e"}] * 2 + [{"prompt": "b"}, {"prompt": "c " * 100, "letter": "e"}]
        result = reinforce(tmp_path, cache, dataset=write_rows(tmp_path / "rows.jsonl", rows), max_steps=1)
        (notice,) = result.of("notice")
        assert notice["reasons"] == {"the grader's item.letter is missing": 1, "prompt fills max_length": 1}
        assert result.outcome.metrics["rows"] == 2

    def test_too_few_for_a_batch(self, tmp_path: Path, cache: Path) -> None:
        result = reinforce(tmp_path, cache, batch_size=5)
        assert (result.code, result.outcome.message) == (1, "batch_size 5: 4 rows do not fill a batch of 5")

    def test_a_program_that_cannot_be_loaded(self, tmp_path: Path, cache: Path) -> None:
        grader = {"type": "python", "source": "import no_such\ndef grade(sample, item): return 1"}
        result = reinforce(tmp_path, cache, grader=grader)
        assert result.outcome.reason == "error"
        assert "grader: the program could not be loaded: ModuleNotFoundError" in (result.outcome.message or "")

    def test_a_judge_that_is_not_there(self, tmp_path: Path, cache: Path) -> None:
        judge = {"type": "score_model", "model": str(tmp_path / "gone"), "input": [{"role": "user", "content": "?"}]}
        result = reinforce(tmp_path, cache, grader=judge)
        assert result.outcome.message == f"grader: there is no model folder {tmp_path / 'gone'}"


class TestResume:
    def test_ends_as_an_unbroken_run(self, tmp_path: Path, cache: Path) -> None:
        settings = {"max_steps": 4, "save_steps": 1, "beta": 0.0}
        unbroken = reinforce(tmp_path / "unbroken", cache, dataset=tasks(tmp_path), **settings)
        run = make_run(tmp_path / "broken", "grpo", cache=cache, dataset=tasks(tmp_path), **{**SETTINGS, **settings})
        paused = _pause_at_first_step(run)
        assert paused.outcome.reason == "paused"
        assert [data["step"] for data in paused.of("progress")] == [1]
        resumed = carry_out(run)
        assert resumed.outcome.reason == "completed"
        assert resumed.losses() == unbroken.losses()
        assert [data["reward"] for data in resumed.of("progress")] == [
            data["reward"] for data in unbroken.of("progress")
        ]

    def test_stop_saves_the_model(self, tmp_path: Path, cache: Path) -> None:
        run = make_run(tmp_path, "grpo", cache=cache, dataset=tasks(tmp_path), **SETTINGS)
        request_control(run, "stop")
        result = carry_out(run)
        assert (result.outcome.reason, result.outcome.metrics["steps"]) == ("stopped", 1.0)
        assert (tmp_path / "output" / "model.safetensors").exists()
