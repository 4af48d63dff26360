"""What a model says after its training, it says where it is served: the same tokens, as probable.

All is computed in fp32 on a CPU, where only the order of sums differs. That moved a log-probability by 5e-7 at most
when it was measured; weights rounded to bf16 move it by 3e-2.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from finery.contracts.parity import TOKENS, Comparison, Prompt, Record, Served, compare
from finery.engines.transformers.vocabulary import Vocabulary
from finery.trainers.parity import record_completions
from finery.trainers.rendering import prompts_of
from finery.trainers.sampling import generate_greedily
from tests.engines.conftest import running_engine
from tests.parity.chats import CHATS, TOOL_TEMPLATE, TOOLS, user
from tests.ports import free_port
from tests.trainers.running import PREFERENCES, Ended, ended, make_run, start

TOLERANCE = 1e-4
SETTINGS = {"learning_rate": 3e-3, "batch_size": 16, "chat_template": TOOL_TEMPLATE, "parity_check": True}
ASKED = [Prompt(messages=[dict(one) for one in chat]) for chat in CHATS.values()]
WITH_TOOLS = Prompt(messages=[dict(user("How hot is it?"))], tools=TOOLS)

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

Completion = list[tuple[list[int], float]]
"""Tokens as bytes, with their log-probabilities."""


def train(folder: Path, recipe: str, *, cache: Path, **config: Any) -> Ended:
    run = make_run(folder, recipe, cache=cache, **SETTINGS | config)
    assert start(run).wait(timeout=120) == 0, (run.path / "log.txt").read_text()
    return ended(run, 0)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A run that has learned some of its lessons, with a checkpoint on its way."""
    folder = tmp_path_factory.mktemp("full")
    train(folder, "sft", cache=cache, max_steps=70, save_steps=50)
    return folder


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory, cache: Path, full: Path) -> Path:
    folder = tmp_path_factory.mktemp("lora")
    train(folder, "sft", cache=cache, model=full / "output", max_steps=10, use_lora=True, merge_adapter=True)
    return folder


@pytest.fixture(scope="module")
def dpo(tmp_path_factory: pytest.TempPathFactory, cache: Path, full: Path) -> Path:
    folder = tmp_path_factory.mktemp("dpo")
    model = full / "output"
    train(folder, "dpo", cache=cache, model=model, dataset=PREFERENCES, max_steps=3, batch_size=4, learning_rate=1e-4)
    return folder


def plain(folder: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(folder).eval()


def adapted(folder: Path, base: Path) -> PreTrainedModel:
    """The base with its adapter beside it, as it was trained."""
    return PeftModel.from_pretrained(plain(base), folder).eval()


def trained(model: PreTrainedModel, folder: Path) -> Iterator[Completion]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    vocabulary, prompts = Vocabulary(tokenizer), prompts_of(tokenizer)
    for asked in ASKED:
        made = generate_greedily(model, tokenizer, prompts.chat(asked.messages), TOKENS)
        # The mark that ends an answer is no part of its text, of which alone the server tells.
        said = [pair for pair in zip(made.tokens, made.logprobs, strict=True) if pair[0] != tokenizer.eos_token_id]
        yield [(vocabulary.bytes(token), logprob) for token, logprob in said]


def served(folder: Path) -> Iterator[Completion]:
    with running_engine(folder, port=free_port()) as engine:
        engine.wait_ready()
        for asked in ASKED:
            answer = engine.post(
                "chat/completions", messages=asked.messages, max_tokens=TOKENS, temperature=0, logprobs=True
            )
            assert answer.status_code == 200, answer.text
            entries = answer.json()["choices"][0]["logprobs"]["content"]
            yield [(entry["bytes"], entry["logprob"]) for entry in entries]


def assert_same(model: PreTrainedModel, folder: Path) -> None:
    pairs = list(zip(trained(model, folder), served(folder), strict=True))
    assert [[token for token, _ in one] for one, _ in pairs] == [[token for token, _ in other] for _, other in pairs]
    for one, other in pairs:
        assert [logprob for _, logprob in other] == pytest.approx([logprob for _, logprob in one], abs=TOLERANCE)
    assert max(len(one) for one, _ in pairs) > 5


def ask_engine(record: Record, folder: Path, place: Path) -> Comparison:
    file = place / "record.json"
    file.write_text(record.model_dump_json())
    command = [sys.executable, "-m", "finery.engines.transformers.parity", str(file), str(folder)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return compare(record, Served.model_validate_json(answer.stdout.splitlines()[-1]))


class TestServedAsTrained:
    def test_full(self, full: Path) -> None:
        assert_same(plain(full / "output"), full / "output")

    def test_a_checkpoint(self, full: Path) -> None:
        checkpoint = full / "run" / "checkpoints" / "checkpoint-50"
        assert_same(plain(checkpoint), checkpoint)

    def test_an_adapter(self, lora: Path, full: Path) -> None:
        assert_same(adapted(lora / "output", full / "output"), lora / "output")

    def test_after_the_merge(self, lora: Path, full: Path) -> None:
        assert_same(adapted(lora / "output", full / "output"), lora / "output" / "merged")

    def test_preferences(self, dpo: Path) -> None:
        assert_same(plain(dpo / "output"), dpo / "output")

    def test_with_tools(self, full: Path, tmp_path: Path) -> None:
        folder = full / "output"
        record = record_completions(plain(folder), AutoTokenizer.from_pretrained(folder), [WITH_TOOLS], saved_as=None)
        compared = ask_engine(record, folder, tmp_path)
        assert (compared.prompts_equal, compared.tokens_equal) == (True, 1.0)
        assert compared.max_logprob_difference < TOLERANCE


class TestCheck:
    @pytest.mark.parametrize("run", ["full", "lora", "dpo"])
    def test_stands_on_the_run(self, run: str, request: pytest.FixtureRequest) -> None:
        folder: Path = request.getfixturevalue(run)
        result = ended(make_run(folder, "sft", cache=folder), 0)
        assert result.outcome.metrics["parity_tokens_equal"] == 1.0
        assert result.outcome.metrics["parity_max_logprob_difference"] < TOLERANCE
        told = [notice for notice in result.of("notice") if notice["code"] == "parity"]
        assert [notice["level"] for notice in told] == ["info"] * (2 if run == "lora" else 1)
        assert result.of("result")[0]["parity_tokens_equal"] == 1.0

    def test_a_weight_that_was_saved_wrongly_is_seen(self, full: Path, tmp_path: Path) -> None:
        folder = tmp_path / "broken"
        model, tokenizer = plain(full / "output"), AutoTokenizer.from_pretrained(full / "output")
        record = record_completions(model, tokenizer, ASKED[:3], saved_as=None)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        weights = load_file(folder / "model.safetensors")
        name = next(name for name in weights if name.endswith("q_proj.weight"))
        weights[name] = torch.zeros_like(weights[name])
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        assert not ask_engine(record, folder, tmp_path).is_same

    def test_a_template_that_was_saved_wrongly_is_seen(self, full: Path, tmp_path: Path) -> None:
        folder = tmp_path / "broken"
        model, tokenizer = plain(full / "output"), AutoTokenizer.from_pretrained(full / "output")
        record = record_completions(model, tokenizer, ASKED[:3], saved_as=None)
        model.save_pretrained(folder)
        tokenizer.chat_template = TOOL_TEMPLATE.replace("'<|im_end|>' -", "'<|im_end|>\n' -")
        tokenizer.save_pretrained(folder)
        compared = ask_engine(record, folder, tmp_path)
        assert (compared.prompts_equal, compared.is_same) == (False, False)
