import json
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.machine import Machine
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.recipes import RECIPES, TrainingConfig
from finery.contracts.run import Resources
from finery.db import Database
from finery.domain import runs
from finery.domain.runs.errors import InvalidRun
from finery.domain.runs.memory_check import check_fit
from tests import builders

DESCRIBED = {
    "hidden_size": 2048,
    "num_hidden_layers": 24,
    "vocab_size": 32000,
    "num_attention_heads": 16,
    "intermediate_size": 5632,
    "hidden_act": "silu",
}
BILLION = 1_300_000_000


def model(folder: Path, *, parameters: int, config: dict[str, Any] | None = None) -> str:
    """The header of its weights alone: more is not read."""
    folder.mkdir(parents=True)
    builders.write_weights(folder / "model.safetensors", parameters=parameters)
    (folder / "config.json").write_text(json.dumps(DESCRIBED if config is None else config))
    return str(folder)


def rows(home: Path, *, tokens: int = 4000) -> Path:
    """Of one row, roughly so long."""
    path = home / "data.jsonl"
    path.write_text("x" * (2 * tokens))
    return path


def check(
    model: str, dataset: Path, *, recipe: str = "sft", gpus: int = 0, rows: int = 1, **config: Any
) -> list[dict[str, Any]]:
    """On a machine with 16 GiB, and GPUs of 16 GiB."""
    asked = RECIPES[recipe].config.model_validate({"model_name": "m", "dataset_path": "d", **config})
    assert isinstance(asked, TrainingConfig)
    machine: Machine = builders.machine(gpus=gpus)
    settings: dict[str, Any] = {"model": model, "dataset": dataset, "rows": rows, "gpus": gpus}
    fit = check_fit(asked, recipe=RECIPES[recipe], machine=machine, **settings)
    return [] if fit is None else [notice.as_json() for notice in fit.notices]


def refusal(*args: Any, **settings: Any) -> str:
    with pytest.raises(InvalidRun) as raised:
        check(*args, **settings)
    (issue,) = raised.value.issues
    assert issue.field == "model_name"
    return issue.message


class TestCheckFit:
    def test_what_fits_is_not_talked_about(self, tmp_path: Path) -> None:
        folder = model(tmp_path / "m", parameters=100_000_000)
        assert check(folder, rows(tmp_path), batch_size=1) == []

    def test_what_cannot_fit_is_refused_with_what_would(self, tmp_path: Path) -> None:
        folder = model(tmp_path / "m", parameters=BILLION)
        said = refusal(folder, rows(tmp_path), gpus=1, batch_size=8)
        assert said.startswith("even a batch of 1 needs about ")
        assert "weights 7.3 GiB" in said
        assert "the largest GPU has 16.0 GiB" in said
        assert "what would fit: use_lora; use_lora with gradient_checkpointing; use_lora with load_in_4bit" in said
        assert check(folder, rows(tmp_path), gpus=1, batch_size=1, use_lora=True) == []

    def test_four_bits_are_a_gpus(self, tmp_path: Path) -> None:
        folder = model(tmp_path / "m", parameters=9_000_000_000)
        on_gpu = refusal(folder, rows(tmp_path), gpus=1, use_lora=True, precision="bf16")
        assert on_gpu.endswith("what would fit: use_lora with load_in_4bit and gradient_checkpointing")
        on_cpu = refusal(folder, rows(tmp_path), use_lora=True, precision="fp32")
        assert "16.0 GiB of main memory" in on_cpu
        assert on_cpu.endswith("choose a smaller model")

    def test_a_reference_counts(self, tmp_path: Path) -> None:
        folder = model(tmp_path / "m", parameters=1_200_000_000)
        quiet = {"batch_size": 1, "max_length": 64, "optimizer": "adamw_bnb_8bit", "precision": "fp32"}
        assert check(folder, rows(tmp_path), **quiet) == []
        (notice,) = check(folder, rows(tmp_path), recipe="dpo", **quiet)
        assert "reference 4.5 GiB" in notice["message"]
        assert check(folder, rows(tmp_path), recipe="dpo", use_lora=True, **quiet) == []

    @pytest.mark.parametrize(
        ("gpus", "words"), [(1, "the trainer will take about {} at a time"), (0, "choose batch_size {}, with more")]
    )
    def test_a_batch_too_large_is_accepted_and_told(self, gpus: int, words: str, tmp_path: Path) -> None:
        folder = model(tmp_path / "m", parameters=100_000_000)
        settings: dict[str, Any] = {"gpus": gpus, "precision": "fp32", "max_length": 4096}
        data = rows(tmp_path, tokens=256)
        (notice,) = check(folder, data, batch_size=64, **settings)
        assert (notice["level"], notice["code"]) == ("warning", "batch_too_large")
        assert 1 <= notice["batch_size"] < 64
        assert notice["estimated_bytes"] > notice["memory_bytes"] == 2**34
        assert words.format(notice["batch_size"]) in notice["message"]
        assert check(folder, data, batch_size=notice["batch_size"], **settings) == []

    def test_within_the_margin_it_is_tried(self, tmp_path: Path) -> None:
        folder = model(tmp_path / "m", parameters=1_100_000_000)
        (notice,) = check(folder, rows(tmp_path), batch_size=1, max_length=16, precision="fp32")
        assert notice["message"].endswith("it may not fit")

    def test_short_rows_need_little_whatever_is_allowed(self, tmp_path: Path) -> None:
        folder = model(tmp_path / "m", parameters=100_000_000)
        settings: dict[str, Any] = {"batch_size": 16, "max_length": 1024, "precision": "fp32"}
        assert check(folder, rows(tmp_path, tokens=200_000), rows=1, **settings) != []
        assert check(folder, rows(tmp_path, tokens=200_000), rows=10_000, **settings) == []
        packed = check(folder, rows(tmp_path, tokens=200_000), rows=10_000, packing=True, **settings)
        assert packed[0]["code"] == "batch_too_large"

    def test_every_answer_of_reinforcement_counts(self, tmp_path: Path) -> None:
        folder = model(tmp_path / "m", parameters=100_000_000)
        grader = {"type": "string_check", "name": "same", "input": "a", "reference": "b", "operation": "eq"}
        settings: dict[str, Any] = {"recipe": "grpo", "grader": grader, "batch_size": 1, "max_length": 2048}
        data = rows(tmp_path, tokens=256)
        assert check(folder, data, n_generations=2, **settings) == []
        assert "what would fit: n_generations 2" in refusal(folder, data, n_generations=64, **settings)

    def test_an_adapters_base_is_looked_at(self, tmp_path: Path) -> None:
        base, adapter = model(tmp_path / "m", parameters=BILLION * 4), tmp_path / "a"
        adapter.mkdir()
        (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
        assert "choose a smaller model" in refusal(str(adapter), rows(tmp_path), precision="fp32")

    def test_nothing_is_said_of_what_is_not_here(self, tmp_path: Path) -> None:
        described_badly = model(tmp_path / "m", parameters=BILLION * 100, config={})
        for name in ("finery/tiny-llama", "owner/enormous-70B", described_badly, str(tmp_path / "gone")):
            assert check(name, rows(tmp_path), batch_size=4096) == []


class TestPlanRun:
    def test_is_refused_before_anything_is_taken(self, database: Database, home: Path) -> None:
        model(home / "big", parameters=BILLION * 10)
        new = builders.sft(home, config={"model_name": "./big"}, resources=Resources(gpus=1))
        with database.write() as session, pytest.raises(InvalidRun, match="model_name: even a batch of 1 needs"):
            runs.create(session, new, builders.context(home, gpus=1), LOCAL_ADMINISTRATOR)

    def test_a_notice_is_among_the_first_events(self, database: Database, home: Path) -> None:
        model(home / "middling", parameters=1_100_000_000)
        new = builders.sft(home, config={"model_name": "./middling", "precision": "fp32", "batch_size": 1})
        with database.write() as session:
            run = runs.create(session, new, builders.context(home), LOCAL_ADMINISTRATOR)
            events = runs.list_events(session, run.id, LOCAL_ADMINISTRATOR)
        assert "batch_too_large" in [event.data.as_json().get("code") for event in events]
