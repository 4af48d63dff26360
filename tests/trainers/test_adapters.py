"""LoRA on foreign architectures, merges, and training on from an adapter."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from finery.contracts.model_folder import base_has_changed
from finery.contracts.recipes import SftConfig
from finery.trainers.errors import TrainingRefused
from finery.trainers.loading import base_of_adapter, prepare_base
from tests.trainers.running import PREFERENCES, carry_out, chat, make_run, write_rows

NOISE = 1e-4


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Path:
    """GPT-2 from a configuration: transposed weights, learned positions, and no chat template."""
    folder = tmp_path_factory.mktemp("gpt2")
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.chat_template = None
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(vocab_size=4096, n_positions=256, n_embd=64, n_layer=2, n_head=2)).save_pretrained(
        folder
    )
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    return folder


@torch.no_grad()
def logits(model: torch.nn.Module) -> torch.Tensor:
    return model.eval()(input_ids=torch.arange(10, 40)[None]).logits


class TestGpt2:
    def test_learns_fully_without_a_template(self, tmp_path: Path, gpt2: Path, cache: Path) -> None:
        rows = write_rows(tmp_path / "rows.jsonl", [chat("Who are you?", "I am Finery.")])
        run = make_run(
            tmp_path,
            "sft",
            cache=cache,
            model=gpt2,
            dataset=rows,
            learning_rate=1e-2,
            max_steps=30,
            sample_prompts=["Who are you?"],
            sample_max_new_tokens=16,
        )
        result = carry_out(run)
        assert result.of("sample")[-1]["text"] == "I am Finery."
        assert "### Response:" in AutoTokenizer.from_pretrained(tmp_path / "output").chat_template

    @pytest.mark.parametrize("targets", ["all-linear", "c_attn", ["c_attn", "c_proj"]])
    def test_lora_and_merge(self, targets: str | list[str], tmp_path: Path, gpt2: Path, cache: Path) -> None:
        run = make_run(
            tmp_path,
            "sft",
            cache=cache,
            model=gpt2,
            learning_rate=1e-2,
            max_steps=4,
            use_lora=True,
            lora_target_modules=targets,
            merge_adapter=True,
        )
        result = carry_out(run)
        assert [artifact.type for artifact in result.outcome.artifacts] == ["adapter", "model"]
        output = tmp_path / "output"
        base = AutoModelForCausalLM.from_pretrained(gpt2)
        plain = logits(base)
        adapted = logits(PeftModel.from_pretrained(base, str(output)))
        merged = logits(AutoModelForCausalLM.from_pretrained(output / "merged"))
        assert (adapted - merged).abs().max() < NOISE
        assert (adapted - plain).abs().max() > 1e-2
        assert AutoTokenizer.from_pretrained(output / "merged").chat_template


class TestBaseOfAdapter:
    def test_beside_the_adapter(self, tmp_path: Path, gpt2: Path) -> None:
        (tmp_path / "base").symlink_to(gpt2)
        (tmp_path / "adapter").mkdir()
        (tmp_path / "adapter" / "adapter_config.json").write_text('{"base_model_name_or_path": "../base"}')
        assert Path(base_of_adapter(tmp_path / "adapter")).samefile(gpt2)

    def test_of_one_that_names_none(self, tmp_path: Path) -> None:
        (tmp_path / "adapter_config.json").write_text("{}")
        with pytest.raises(TrainingRefused, match="names no base"):
            base_of_adapter(tmp_path)


class TestChangedBase:
    def test_is_named_when_an_adapters_training_goes_on(self, tmp_path: Path, gpt2: Path, cache: Path) -> None:
        base = Path(shutil.copytree(gpt2, tmp_path / "base"))
        settings: dict[str, Any] = {"model": base, "use_lora": True, "save_steps": 1}
        run = make_run(tmp_path, "sft", cache=cache, max_steps=1, **settings)
        assert carry_out(run).code == 0
        for folder in (tmp_path / "output", run.checkpoints / "checkpoint-1"):
            assert not base_has_changed(folder, str(base))
        change_last_weight(base)
        result = carry_out(make_run(tmp_path, "sft", cache=cache, max_steps=2, **settings))
        assert (result.code, result.outcome.reason) == (1, "error")
        assert f"the weights of {base} were changed" in (result.outcome.message or "")

    def test_is_named_when_its_adapter_is_trained_on(self, tmp_path: Path, gpt2: Path, cache: Path) -> None:
        base = Path(shutil.copytree(gpt2, tmp_path / "base"))
        first = make_run(tmp_path / "one", "sft", cache=cache, model=base, use_lora=True, max_steps=1)
        assert carry_out(first).code == 0
        change_last_weight(base)
        adapter = tmp_path / "one" / "output"
        result = carry_out(make_run(tmp_path / "two", "sft", cache=cache, model=adapter, use_lora=True, max_steps=1))
        assert "was trained on other weights than" in (result.outcome.message or "")


def change_last_weight(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\x3f")


class TestChains:
    def test_an_adapter_on_an_adapter(self, tmp_path: Path, cache: Path) -> None:
        one, two = tmp_path / "one", tmp_path / "two"
        settings = {"use_lora": True, "learning_rate": 1e-2, "max_steps": 4, "batch_size": 8}
        assert carry_out(make_run(one, "sft", cache=cache, **settings)).code == 0
        run = make_run(two, "dpo", cache=cache, model=one / "output", dataset=PREFERENCES, save_steps=2, **settings)
        assert carry_out(run).code == 0
        named = json.loads((two / "output" / "adapter_config.json").read_text())["base_model_name_or_path"]
        assert named == str(two / "output" / "base")
        checkpoints = [json.loads(path.read_text()) for path in run.checkpoints.glob("*/adapter_config.json")]
        assert checkpoints
        assert {one["base_model_name_or_path"] for one in checkpoints} == {named}
        first = json.loads((one / "output" / "adapter_config.json").read_text())["base_model_name_or_path"]
        assert first == str(cache / "finery" / "tiny-llama")
        base = AutoModelForCausalLM.from_pretrained(first)
        expected = logits(PeftModel.from_pretrained(base, str(one / "output")))
        assert (logits(AutoModelForCausalLM.from_pretrained(named)) - expected).abs().max() < NOISE
        assert not (run.path / "base").exists()
        assert (two / "output" / "finery_base.json").is_file()
        assert not base_has_changed(two / "output", named)

    def test_full_training_of_an_adapters_output(self, tmp_path: Path, cache: Path) -> None:
        one, two = tmp_path / "one", tmp_path / "two"
        assert carry_out(make_run(one, "sft", cache=cache, use_lora=True, max_steps=1)).code == 0
        for recipe in ("dpo", "reward"):
            run = make_run(two, recipe, cache=cache, model=one / "output", dataset=PREFERENCES, max_steps=1)
            result = carry_out(run)
            assert result.outcome.artifacts[0].type == "model"
            assert (two / "output" / "model.safetensors").exists()


class TestPrepareBase:
    def test_leaves_hub_ids_to_the_library(self, tmp_path: Path, cache: Path) -> None:
        from finery.contracts.resolved_run import RunSpec
        from finery.trainers.attempt import open_attempt

        run = make_run(tmp_path, "sft", cache=cache, model="org/model")
        attempt = open_attempt(run, RunSpec.model_validate_json(run.spec.read_bytes()))
        config = SftConfig.model_validate(attempt.spec.config)
        assert prepare_base(attempt, config) == "org/model"
        with pytest.raises(TrainingRefused, match="precision: fp16 needs a GPU"):
            prepare_base(attempt, config.model_copy(update={"precision": "fp16"}))
