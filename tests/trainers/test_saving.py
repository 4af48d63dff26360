"""A trained model is saved with its base's settings and precision, and is served."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from transformers import AutoTokenizer

from finery.engines.transformers.cache_size import CacheSize
from finery.engines.transformers.loading import load_model
from finery.engines.transformers.prompts import prompts_of
from finery.engines.transformers.sampling import Sampling
from finery.engines.transformers.starting import start_generator
from tests.trainers.architectures import make
from tests.trainers.running import FEEDBACK, PREFERENCES, carry_out, chat, make_run, write_rows

ANSWERS = {"Who are you?": "I am Finery.", "What is one and one?": "It is two, I think."}
OTHER = {"Who are you?": "It is Finery, I think."}
TEACHING = {"learning_rate": 1e-2, "batch_size": 2, "precision": "fp32", "warmup_ratio": 0.0}


def read(folder: Path, name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((folder / name).read_text())
    return value


def dtypes(folder: Path) -> set[str]:
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        return {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 - it is no mapping


def served(folder: Path, questions: list[str]) -> list[str]:
    """The answers of the transformers engine's own generation, to all questions at once."""

    async def scenario() -> list[str]:
        loaded = load_model(str(folder), dtype="auto", quantization=None)
        size = CacheSize.for_model(loaded, max_context=None, kv_blocks=4)
        way, generator, _ = await asyncio.to_thread(start_generator, loaded, size, loop=asyncio.get_running_loop())
        prompts = prompts_of(loaded.tokenizer)

        async def answer(question: str) -> str:
            prompt = prompts.chat([{"role": "user", "content": question}])
            sampled = generator.stream(prompt, Sampling(temperature=0), max_tokens=16)
            return str(loaded.tokenizer.decode([one.token async for one in sampled], skip_special_tokens=True))

        try:
            assert way == "continuous batching"
            return list(await asyncio.gather(*map(answer, questions)))
        finally:
            generator.stop(timeout=5)

    return asyncio.run(scenario())


def teach(folder: Path, base: Path, cache: Path, answers: dict[str, str], **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    rows = write_rows(folder / "rows.jsonl", [chat(question, answer) for question, answer in answers.items()])
    run = make_run(folder, "sft", cache=cache, model=base, dataset=rows, **TEACHING, **config)
    result = carry_out(run)
    assert (result.code, result.outcome.message) == (0, None)
    return folder / "output"


ARCHITECTURES = ["qwen3_moe", pytest.param("gpt_oss", marks=pytest.mark.thorough)]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path, cache: Path
) -> Path:
    """A folder with a `base`, and with the `output` and the checkpoint of its full training."""
    folder = tmp_path_factory.mktemp(request.param)
    base = make(folder / "base", request.param, tiny_llama)
    teach(folder, base, cache, ANSWERS, max_steps=30, save_steps=30)
    return folder


class TestMixtures:
    def test_is_saved_as_its_base_and_served(self, folder: Path, tiny_llama: Path) -> None:
        self.assert_saved_as(folder / "base", folder / "output", tiny_llama)
        assert served(folder / "output", [*ANSWERS]) == [*ANSWERS.values()]

    @pytest.mark.thorough
    def test_a_checkpoint_differs_in_precision(self, folder: Path, tiny_llama: Path) -> None:
        checkpoint = folder / "run" / "checkpoints" / "checkpoint-30"
        self.assert_saved_as(folder / "base", checkpoint, tiny_llama, dtype="float32")
        assert served(checkpoint, [*ANSWERS]) == [*ANSWERS.values()]

    @pytest.mark.thorough
    def test_a_merged_adapter_is_saved_as_its_base_and_served(
        self, folder: Path, tmp_path: Path, tiny_llama: Path, cache: Path
    ) -> None:
        base = folder / "output"
        settings = {"max_steps": 60, "use_lora": True, "lora_rank": 32, "merge_adapter": True}
        output = teach(tmp_path / "lora", base, cache, OTHER, **settings)
        self.assert_saved_as(base, output / "merged", tiny_llama)
        assert served(output / "merged", [*OTHER]) == [*OTHER.values()]

    def assert_saved_as(self, base: Path, output: Path, tiny_llama: Path, dtype: str = "bfloat16") -> None:
        """Nothing differs but the tokens that end the answers learned."""
        assert read(output, "config.json") == {**read(base, "config.json"), "dtype": dtype}
        tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
        ends = read(base, "generation_config.json")["eos_token_id"]
        ends = ends if isinstance(ends, list) else [ends]
        ends += sorted({tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|im_end|>")} - set(ends))
        assert read(output, "generation_config.json") == {
            **read(base, "generation_config.json"),
            "eos_token_id": ends[0] if len(ends) == 1 else ends,
        }
        assert dtypes(output) == {{"bfloat16": "BF16", "float32": "F32"}[dtype]}

    def test_one_saved_before_with_a_trainers_settings_is_served(self, folder: Path, tmp_path: Path) -> None:
        earlier = Path(shutil.copytree(folder / "output", tmp_path / "earlier"))
        settings = {**read(earlier, "config.json"), "output_router_logits": True, "use_cache": False}
        (earlier / "config.json").write_text(json.dumps(settings))
        assert served(earlier, [*ANSWERS]) == [*ANSWERS.values()]


class TestEachRecipe:
    @pytest.mark.parametrize(
        ("recipe", "dataset"),
        [
            pytest.param("dpo", PREFERENCES, marks=pytest.mark.thorough),
            pytest.param("kto", FEEDBACK, marks=pytest.mark.thorough),
            ("reward", PREFERENCES),
        ],
    )
    def test_keeps_settings_and_precision(
        self, recipe: str, dataset: Path, tmp_path: Path, tiny_llama: Path, cache: Path
    ) -> None:
        base = make(tmp_path / "base", "qwen3_moe", tiny_llama)
        run = make_run(tmp_path, recipe, cache=cache, model=base, dataset=dataset, batch_size=2, max_steps=1)
        result = carry_out(run)
        assert (result.code, result.outcome.message) == (0, None)
        before, after = read(base, "config.json"), read(tmp_path / "output", "config.json")
        changed = {name for name in before | after if before.get(name) != after.get(name)}
        head = {"architectures", "id2label", "label2id", "pad_token_id"}
        assert changed == (head if recipe == "reward" else set())
        assert dtypes(tmp_path / "output") == {"BF16"}


class TestGenerationSettings:
    @pytest.mark.parametrize(
        ("config", "saved"),
        [
            ({"save_steps": 1}, ("output", "run/checkpoints/checkpoint-1")),
            pytest.param({"use_lora": True, "merge_adapter": True}, ("output/merged",), marks=pytest.mark.thorough),
        ],
    )
    def test_that_transformers_would_not_save(
        self, config: dict[str, Any], saved: tuple[str, ...], tmp_path: Path, tiny_llama: Path, cache: Path
    ) -> None:
        """It refuses sampling settings beside `do_sample: false` as soon as an end token was added to them."""
        base = Path(shutil.copytree(tiny_llama, tmp_path / "base"))
        odd = {"do_sample": False, "temperature": 0.0, "top_k": 0, "penalty_alpha": 0.6, "pad_token_id": -1}
        (base / "generation_config.json").write_text(json.dumps(odd))
        result = carry_out(make_run(tmp_path, "sft", cache=cache, model=base, max_steps=1, **config))
        assert (result.code, result.outcome.message) == (0, None)
        for folder in saved:
            settings = read(tmp_path / folder, "generation_config.json")
            assert {name: settings[name] for name in odd} == odd
            assert settings["eos_token_id"] is not None
