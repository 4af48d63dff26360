"""Each recipe ends completed, with a falling loss and an output that loads."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from finery.contracts.process import ArtifactRef
from tests.trainers.running import CORPUS, FEEDBACK, INSTRUCTIONS, PREFERENCES, carry_out, make_run, write_rows

RECIPES = {
    "sft": ("finery/tiny-llama", INSTRUCTIONS, {"learning_rate": 3e-3}),
    "cpt": ("finery/tiny-qwen", CORPUS, {"learning_rate": 3e-3, "max_length": 128}),
    "dpo": ("finery/tiny-llama", PREFERENCES, {"learning_rate": 1e-3}),
    "kto": ("finery/tiny-llama", FEEDBACK, {"learning_rate": 1e-3}),
    "reward": ("finery/tiny-llama", PREFERENCES, {"learning_rate": 1e-3}),
}


class TestEachRecipe:
    @pytest.mark.parametrize("lora", [False, pytest.param(True, marks=pytest.mark.thorough)], ids=["full", "lora"])
    @pytest.mark.parametrize("recipe", RECIPES)
    def test_completes_with_a_falling_loss(self, recipe: str, lora: bool, tmp_path: Path, cache: Path) -> None:
        model, dataset, settings = RECIPES[recipe]
        rate = settings["learning_rate"] * (10 if lora else 1)
        run = make_run(
            tmp_path,
            recipe,
            cache=cache,
            model=model,
            dataset=dataset,
            **{**settings, "learning_rate": rate},
            batch_size=8,
            max_steps=12,
            use_lora=lora,
        )
        result = carry_out(run)
        assert (result.code, result.outcome.reason, result.outcome.message) == (0, "completed", None)
        losses = result.losses()
        assert list(losses) == list(range(1, 13))
        assert sum(losses[step] for step in (10, 11, 12)) < sum(losses[step] for step in (1, 2, 3))
        assert result.outcome.artifacts == [
            ArtifactRef(name="output", type="adapter" if lora else "model", path=str(tmp_path / "output"))
        ]
        weights = tmp_path / "output" / ("adapter_model.safetensors" if lora else "model.safetensors")
        with safe_open(weights, framework="pt") as file:
            assert list(file.keys())
        assert json.loads((tmp_path / "output" / "finery.json").read_text())["recipe"] == recipe
        assert not list((tmp_path / "output").glob("*.bin"))
        assert not (run.path / "encoded").exists()

    def test_tells_what_the_contract_names(self, tmp_path: Path, cache: Path) -> None:
        run = make_run(
            tmp_path,
            "sft",
            cache=cache,
            learning_rate=3e-3,
            batch_size=8,
            max_steps=4,
            eval_split=0.1,
            eval_steps=2,
            sample_prompts=["What is Finery?"],
            sample_max_new_tokens=4,
        )
        result = carry_out(run)
        assert set(result.of("progress")[-1]) >= {
            "step",
            "total_steps",
            "epoch",
            "total_epochs",
            "loss",
            "learning_rate",
            "grad_norm",
            "token_accuracy",
            "tokens_per_second",
            "eta_seconds",
            "memory_bytes",
        }
        assert [data["step"] for data in result.of("evaluation")] == [2, 4]
        assert {"prompt", "text", "step"} == set(result.of("sample")[0])
        assert [data["stage"] for data in result.of("stage")][-2:] == ["training", "saving"]
        metrics = result.of("result")[0]
        assert set(metrics) >= {"train_loss", "eval_loss", "steps", "tokens", "trainable_parameters", "seconds"}
        assert result.outcome.metrics == metrics
        card = (tmp_path / "output" / "README.md").read_text()
        assert "sha256" in card
        assert "| learning_rate | 0.003 |" in card

    def test_preference_metrics(self, tmp_path: Path, cache: Path) -> None:
        run = make_run(tmp_path, "dpo", cache=cache, dataset=PREFERENCES, batch_size=8, max_steps=2, eval_split=0.1)
        result = carry_out(run)
        assert {"rewards_margin", "rewards_accuracy"} <= set(result.of("progress")[0])
        assert {"rewards_margin", "rewards_accuracy"} <= set(result.outcome.metrics)

    @pytest.mark.parametrize(
        "recipe", ["sft", *(pytest.param(each, marks=pytest.mark.thorough) for each in RECIPES if each != "sft")]
    )
    def test_an_entry_is_named_for_the_training_data_alone(self, recipe: str, tmp_path: Path, cache: Path) -> None:
        model, rows, settings = RECIPES[recipe]
        folder = tmp_path / "data"
        folder.mkdir()
        columns = {"prompt": "question", "response": "answer", "chosen": "better", "rejected": "worse"}
        entry: dict[str, Any] = {"file_name": "rows.jsonl", "columns": columns}
        taught: dict[str, Any] = {
            "question": "What is Finery?",
            "answer": "A trainer.",
            "better": "Yes.",
            "worse": "No.",
        }
        if recipe in ("dpo", "reward"):
            entry["ranking"] = True
        if recipe == "cpt":
            entry["columns"], taught = {"prompt": "body"}, {"body": "Finery trains models."}
        if recipe == "kto":
            entry["columns"], taught = {**columns, "kto_tag": "good"}, {**taught, "good": True}
        (folder / "dataset_info.json").write_text(json.dumps({"lessons": entry, "other": {"file_name": "none.json"}}))
        write_rows(folder / "rows.jsonl", [taught] * 4)
        few = tmp_path / "few.jsonl"
        few.write_text("".join(rows.read_text().splitlines(keepends=True)[:3]))
        run = make_run(
            tmp_path,
            recipe,
            cache=cache,
            model=model,
            dataset=folder,
            dataset_name="lessons",
            eval_dataset=few,
            batch_size=2,
            max_steps=1,
            **settings,
        )
        result = carry_out(run)
        assert (result.code, result.outcome.message) == (0, None)
        assert result.outcome.metrics["rows"] == 4
        assert result.outcome.metrics["eval_rows"] >= 1


class TestOutput:
    def test_reward_model_scores(self, tmp_path: Path, cache: Path) -> None:
        run = make_run(tmp_path, "reward", cache=cache, dataset=PREFERENCES, batch_size=4, max_steps=1)
        assert carry_out(run).code == 0
        model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "output")
        assert model.config.num_labels == 1
        assert model.config.pad_token_id == AutoTokenizer.from_pretrained(tmp_path / "output").pad_token_id

    def test_replaces_an_earlier_output_whole(self, tmp_path: Path, cache: Path) -> None:
        for steps in (1, 2):
            run = make_run(tmp_path / str(steps), "sft", cache=cache, output=tmp_path / "output", max_steps=steps)
            assert carry_out(run).code == 0
            (tmp_path / "output" / f"left-{steps}").touch()
        assert "| steps | 2 |" in (tmp_path / "output" / "README.md").read_text()
        assert not (tmp_path / "output" / "left-1").exists()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "output"]

    def test_leaves_what_is_not_its_own(self, tmp_path: Path, cache: Path) -> None:
        (tmp_path / "output").mkdir()
        (tmp_path / "output" / "thesis.tex").write_text("irreplaceable")
        result = carry_out(make_run(tmp_path, "sft", cache=cache, max_steps=1))
        assert (result.code, result.outcome.reason) == (1, "error")
        assert "holds something else" in (result.outcome.message or "")
        assert (tmp_path / "output" / "thesis.tex").read_text() == "irreplaceable"

    @pytest.mark.parametrize(
        "settings", [{"packing": True}, {"gradient_accumulation_steps": 2}, {"gradient_checkpointing": True}]
    )
    def test_settings_are_accepted(self, settings: dict[str, Any], tmp_path: Path, cache: Path) -> None:
        run = make_run(tmp_path, "sft", cache=cache, max_steps=2, max_length=64, batch_size=2, **settings)
        assert carry_out(run).outcome.reason == "completed"
        assert AutoModelForCausalLM.from_pretrained(tmp_path / "output").dtype.is_floating_point

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        "schedule", ["cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt"]
    )
    def test_every_schedule_runs(self, schedule: str, tmp_path: Path, cache: Path) -> None:
        run = make_run(tmp_path, "sft", cache=cache, max_steps=2, batch_size=2, lr_scheduler=schedule, warmup_ratio=0.5)
        assert carry_out(run).outcome.reason == "completed"
