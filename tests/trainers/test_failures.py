"""What ends a run badly is named; what can be mended is mended."""

import importlib.util
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from finery.contracts.process import Outcome
from finery.contracts.resolved_run import RunSpec
from finery.kit.files import write_json
from finery.trainers.__main__ import main
from finery.trainers.arguments import BatchShape
from finery.trainers.loading import refuse_weights_not_finite
from tests.trainers.running import (
    CORPUS,
    FEEDBACK,
    PREFERENCES,
    carry_out,
    chat,
    ended,
    make_run,
    read_events,
    start,
    write_rows,
)


def train_nothing(_: object) -> None:
    """A trainer from elsewhere that forgets what it has to return."""


def test_a_trainer_that_returns_no_outcome_is_named(tmp_path: Path, cache: Path) -> None:
    run = make_run(tmp_path, "sft", cache=cache)
    spec = RunSpec.model_validate_json(run.spec.read_bytes())
    run.spec.write_text(spec.model_copy(update={"trainer": f"{__name__}:train_nothing"}).model_dump_json())
    outcome = carry_out(run).outcome
    assert outcome.message == f"TypeError: {__name__}:train_nothing returned NoneType instead of an Outcome"


class TestDivergence:
    def test_names_the_step(self, tmp_path: Path, cache: Path) -> None:
        run = make_run(
            tmp_path,
            "sft",
            cache=cache,
            optimizer="sgd",
            learning_rate=10.0,
            max_grad_norm=1e6,
            max_steps=50,
            save_steps=1,
        )
        result = carry_out(run)
        assert (result.code, result.outcome.reason) == (1, "error")
        steps = max(result.losses(), default=0)
        assert f"at step {steps + 1}: the training diverged" in (result.outcome.message or "")
        assert not list(run.checkpoints.glob(f"checkpoint-{steps + 1}"))
        assert not (tmp_path / "output").exists()


class TestBaseWeights:
    @pytest.mark.parametrize(("recipe", "dataset"), [("dpo", PREFERENCES), ("reward", PREFERENCES)])
    @pytest.mark.parametrize("value", [float("nan"), float("-inf")])
    def test_that_are_no_numbers(
        self, tmp_path: Path, tiny_llama: Path, cache: Path, recipe: str, dataset: Path, value: float
    ) -> None:
        model = AutoModelForCausalLM.from_pretrained(tiny_llama)
        with torch.no_grad():
            model.model.norm.weight[3] = value
        broken = tmp_path / "broken"
        shutil.copytree(tiny_llama, broken)
        model.save_pretrained(broken)
        result = carry_out(make_run(tmp_path, recipe, cache=cache, model=broken, dataset=dataset, max_steps=5))
        assert "hold values that are no numbers (model.norm.weight)" in (result.outcome.message or "")
        assert result.outcome.field == "model_name"

    def test_large_half_precision_ones_are_taken(self, tiny_llama: Path) -> None:
        model = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float16)
        with torch.no_grad():
            model.model.norm.weight.fill_(60_000.0)
        assert not model.model.norm.weight.sum().isfinite()
        refuse_weights_not_finite(model, "base")


class TestOutOfMemory:
    @pytest.mark.thorough
    @pytest.mark.slow
    def test_half_the_batch_and_the_same_loss(self, tmp_path: Path, cache: Path) -> None:
        rows = write_rows(tmp_path / "rows.jsonl", [{"text": f"{n} " + "iron and fire " * 300} for n in range(16)])
        settings: dict[str, Any] = {"dataset": rows, "max_length": 768, "batch_size": 16, "max_steps": 2}
        run = make_run(tmp_path / "limited", "sft", cache=cache, **settings)
        process = start(run, before=LIMITED.format(spare=850_000_000))
        result = ended(run, process.wait(timeout=240))
        assert result.outcome.reason == "completed", result.outcome.message
        notices = [data for data in result.of("notice") if data["code"] == "out_of_memory"]
        assert (notices[0]["batch_size"], notices[0]["gradient_accumulation_steps"]) == (8, 2)
        assert all(data["batch_size"] * data["gradient_accumulation_steps"] == 16 for data in notices)
        free = carry_out(make_run(tmp_path / "free", "sft", cache=cache, **settings))
        assert result.losses() == pytest.approx(free.losses(), rel=1e-5)

    @pytest.mark.parametrize(("before", "after"), [((4, 1), (2, 2)), ((1, 1), None)])
    def test_half_the_batch_after_the_kernel_ended_it(
        self,
        tmp_path: Path,
        cache: Path,
        monkeypatch: pytest.MonkeyPatch,
        before: tuple[int, int],
        after: tuple[int, int] | None,
    ) -> None:
        run = make_run(tmp_path, "sft", cache=cache, batch_size=before[0], max_steps=1)
        run.attempt(1).path.mkdir(parents=True)
        outcome = {"reason": "oom", "message": "the kernel ended the process"}
        write_json(run.attempt(1).exit, {"signal": 9, "outcome": outcome})
        monkeypatch.setenv("FINERY_ATTEMPT_DIR", str(run.attempt(2).path))
        main([str(run.path)])
        ending = Outcome.model_validate_json(run.attempt(2).outcome.read_bytes())
        notices = [event["data"] for event in read_events(run) if event["data"].get("code") == "out_of_memory"]
        if after is None:
            assert (ending.reason, notices) == ("oom", [])
        else:
            assert ending.reason == "completed"
            assert [(one["batch_size"], one["gradient_accumulation_steps"]) for one in notices] == [after]

    @pytest.mark.thorough
    @pytest.mark.slow
    def test_too_little_for_one_row(self, tmp_path: Path, cache: Path) -> None:
        rows = write_rows(tmp_path / "rows.jsonl", [{"text": "iron and fire " * 700} for _ in range(4)])
        settings: dict[str, Any] = {"dataset": rows, "max_length": 2048, "batch_size": 2, "max_steps": 1}
        run = make_run(tmp_path, "sft", cache=cache, model=_changed(cache, tmp_path, 2048), **settings)
        process = start(run, before=LIMITED.format(spare=150_000_000))
        result = ended(run, process.wait(timeout=120))
        assert (result.code, result.outcome.reason) == (1, "oom")

    def test_shape_keeps_the_product(self) -> None:
        shape: BatchShape | None = BatchShape(12, 1)
        seen = []
        while shape is not None:
            seen.append((shape.size, shape.accumulation))
            shape = shape.smaller()
        assert seen == [(12, 1), (6, 2), (3, 4), (1, 12)]
        assert BatchShape(5, 2).smaller() == BatchShape(1, 10)
        assert BatchShape(2, 2).smaller(at_least=2) is None


LIMITED = """
import re, resource, finery.trainers.preload
size = int(re.search(r"VmData:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (size + {spare},) * 2)
"""
"""A real limit on memory that is written to, set when the libraries are loaded: what a machine merely reserves
(arenas of threads, files that are mapped) differs between machines and would eat up a limit on addresses."""


class TestDiskFull:
    @pytest.mark.thorough
    @pytest.mark.slow
    @pytest.mark.parametrize("settings", [{"save_steps": 1}, {}], ids=["checkpoint", "output"])
    def test_is_named_and_leaves_no_half(self, settings: dict[str, int], tmp_path: Path, cache: Path) -> None:
        run = make_run(
            tmp_path, "sft", cache=cache, model=_copy(cache, tmp_path), max_steps=2, batch_size=2, **settings
        )
        limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000,) * 2)"
        result = ended(run, start(run, before=limit).wait(timeout=120))
        assert (result.code, result.outcome.reason) == (1, "disk_full")
        assert not (tmp_path / "output").exists()
        assert not list(run.checkpoints.glob("checkpoint-*"))
        assert not list(tmp_path.glob(".partial*"))
        assert not (run.checkpoints / ".partial").exists()


def _changed(cache: Path, folder: Path, positions: int) -> Path:
    """A model that takes so many tokens at once."""
    model = _copy(cache, folder)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "max_position_embeddings": positions}))
    return model


def _copy(cache: Path, folder: Path) -> Path:
    from finery.trainers.builtin import ensure_builtin

    return Path(shutil.copytree(ensure_builtin("finery/tiny-llama", cache), folder / "model"))


class TestRefusals:
    def test_pickled_weights(self, tmp_path: Path, tiny_llama: Path, cache: Path) -> None:
        model = Path(shutil.copytree(tiny_llama, tmp_path / "model"))
        torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
        (model / "model.safetensors").unlink()
        result = carry_out(make_run(tmp_path, "sft", cache=cache, model=model, max_steps=1))
        assert result.outcome.reason == "error"
        assert "pickled weights (pytorch_model.bin)" in (result.outcome.message or "")

    def test_an_adapter_whose_base_is_gone(self, tmp_path: Path, tiny_llama: Path, cache: Path) -> None:
        model = Path(shutil.copytree(tiny_llama, tmp_path / "model"))
        run = make_run(tmp_path / "one", "sft", cache=cache, model=model, max_steps=1, use_lora=True)
        assert carry_out(run).code == 0
        shutil.rmtree(model)
        result = carry_out(make_run(tmp_path / "two", "sft", cache=cache, model=tmp_path / "one" / "output"))
        assert "which is not there any more" in (result.outcome.message or "")

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"precision": "fp16"}, "fp16 needs a GPU"),
            ({"load_in_4bit": True, "use_lora": True}, "load_in_4bit needs a GPU"),
            ({"load_in_8bit": True, "use_lora": True}, "load_in_8bit needs a GPU"),
            ({"use_lora": True, "lora_target_modules": "no_such_layer"}, "no_such_layer"),
            ({"eval_split": 0.5, "dataset": "one row"}, "eval_split"),
            ({"gpus": (0,)}, "the installed torch sees none"),
            ({"max_length": 8}, "no row with a token to learn"),
        ],
    )
    def test_what_cannot_be_honoured_is_named(
        self, settings: dict[str, Any], words: str, tmp_path: Path, cache: Path
    ) -> None:
        if "gpus" in settings and torch.cuda.is_available():
            pytest.skip("there is a GPU")
        if settings.get("dataset"):
            settings = {**settings, "dataset": write_rows(tmp_path / "rows.jsonl", [chat("a", "b")])}
        result = carry_out(make_run(tmp_path, "sft", cache=cache, max_steps=1, **settings))
        assert (result.code, result.outcome.reason) == (1, "error")
        assert words in (result.outcome.message or "")
        assert not (tmp_path / "output").exists()

    @pytest.mark.parametrize("recipe", ["sft", "reward"])
    def test_a_length_that_only_the_loaded_model_tells(self, tmp_path: Path, cache: Path, recipe: str) -> None:
        settings: dict[str, Any] = {"dataset": PREFERENCES} if recipe == "reward" else {}
        model = _changed(cache, tmp_path, 512)
        result = carry_out(
            make_run(tmp_path, recipe, cache=cache, model=model, max_steps=1, max_length=513, **settings)
        )
        assert result.outcome.message == (
            "max_length: 513 is more than the 512 tokens that the model takes; choose 512 or less"
        )

    def test_a_default_that_is_too_long_becomes_the_models_own(self, tmp_path: Path, cache: Path) -> None:
        rows = write_rows(tmp_path / "rows.jsonl", [chat("Who are you?", "I am Finery. " * 100)])
        model = _changed(cache, tmp_path, 128)
        result = carry_out(make_run(tmp_path, "sft", cache=cache, model=model, dataset=rows, max_steps=1))
        assert result.outcome.reason == "completed", result.outcome.message
        assert "chosen automatically: max_length 128" in [data["message"] for data in result.of("notice")]
        assert result.of("progress")[-1]["tokens"] == 128

    def test_a_tokenizer_larger_than_the_embedding(self, tmp_path: Path, cache: Path) -> None:
        model = _copy(cache, tmp_path)
        tokenizer = AutoTokenizer.from_pretrained(model)
        tokenizer.add_special_tokens({"pad_token": "<pad-that-was-added>"})
        tokenizer.save_pretrained(model)
        result = carry_out(make_run(tmp_path, "cpt", cache=cache, model=model, dataset=CORPUS, max_steps=1))
        assert "has tokens up to number 4096, and the model's embedding only 4096 rows" in str(result.outcome.message)

    @pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow", "trackio"])
    def test_a_reporter_that_is_not_installed(self, name: str, tmp_path: Path, cache: Path) -> None:
        if importlib.util.find_spec(name) is not None:
            pytest.skip(f"{name} is installed")
        result = carry_out(make_run(tmp_path, "sft", cache=cache, max_steps=1, report_to=[name]))
        assert f"needs the package {name}" in (result.outcome.message or "")

    def test_kto_with_single_rows(self, tmp_path: Path, cache: Path) -> None:
        result = carry_out(make_run(tmp_path, "kto", cache=cache, dataset=FEEDBACK, batch_size=1))
        assert "batch_size of at least 2" in (result.outcome.message or "")

    def test_a_broken_row_is_named_without_its_content(self, tmp_path: Path, cache: Path) -> None:
        rows = tmp_path / "rows.jsonl"
        rows.write_text(json.dumps(chat("a", "b")) + '\n{"messages": "about zebras"}\n')
        result = carry_out(make_run(tmp_path, "sft", cache=cache, dataset=rows))
        assert "line 2" in (result.outcome.message or "")
        assert "zebra" not in run_log(tmp_path)

    def test_rows_left_out_are_counted(self, tmp_path: Path, cache: Path) -> None:
        long = " ".join(str(number) for number in range(200))
        rows = [chat("a", "b"), chat(long, "c"), chat("d", ""), chat("e", long)]
        run = make_run(
            tmp_path, "sft", cache=cache, dataset=write_rows(tmp_path / "r.jsonl", rows), max_length=64, max_steps=1
        )
        result = carry_out(run)
        notices = {data["code"]: data for data in result.of("notice")}
        assert notices["rows_dropped"]["count"] == 2
        assert notices["rows_dropped"]["reasons"] == {"nothing to learn": 1, "prompt fills max_length": 1}
        assert notices["rows_truncated"]["count"] == 2
        assert result.outcome.metrics["rows"] == 2


def run_log(folder: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*.json*") if path.name != "rows.jsonl")


class TestChangedData:
    """A checkpoint says how many rows were read, not which."""

    def test_is_named_when_a_training_goes_on(self, tmp_path: Path, cache: Path) -> None:
        rows = [chat(f"{n}?", f"{n}!") for n in range(8)]
        data = write_rows(tmp_path / "rows.jsonl", rows)
        settings: dict[str, Any] = {"dataset": data, "batch_size": 1, "save_steps": 1}
        assert carry_out(make_run(tmp_path, "sft", cache=cache, max_steps=1, **settings)).code == 0
        # Written once more as it was: only its time has changed.
        os.utime(data, (1.0, 1.0))
        assert carry_out(make_run(tmp_path, "sft", cache=cache, max_steps=2, **settings)).code == 0
        write_rows(data, [*rows[1:], chat("new?", "new!")])
        result = carry_out(make_run(tmp_path, "sft", cache=cache, max_steps=3, **settings))
        assert (result.code, result.outcome.reason) == (1, "error")
        assert f"{data} was changed" in (result.outcome.message or "")

    def test_is_learned_from_where_nothing_was_saved(self, tmp_path: Path, cache: Path) -> None:
        data = write_rows(tmp_path / "rows.jsonl", [chat("a?", "a!")] * 4)
        run = make_run(tmp_path, "sft", cache=cache, dataset=data, max_steps=1)
        write_json(run.data, {str(data): {"size": 1, "mtime_ns": 1, "sha256": "0" * 64}})
        assert carry_out(run).code == 0
