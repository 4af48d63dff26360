"""Whatever the architecture, an engine answers as one plain forward pass would, or says that it cannot."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.modeling_outputs import CausalLMOutputWithPast

from finery.contracts.parity import TOLERANCES
from finery.engines.transformers.__main__ import code_of
from finery.engines.transformers.cache_size import CacheSize
from finery.engines.transformers.engine import ARCHITECTURE_UNSERVABLE, MODEL_UNLOADABLE
from finery.engines.transformers.generation import TokenGenerator
from finery.engines.transformers.loading import LoadedModel
from finery.engines.transformers.sampling import SampledToken, Sampling
from finery.engines.transformers.self_check import tolerance_of
from finery.engines.transformers.starting import ArchitectureNotServable, ModelNotServable, start_generator
from tests.engines.architectures import (
    CONTINUOUS,
    LLAMA,
    PLAIN,
    SINGLE,
    SPREAD,
    loop_beside,
    make_loaded,
    with_tokenizer,
)

GREEDY = Sampling(temperature=0, logprobs=1)
PROMPTS = [[6 + (17 * number + 3 * place * place) % 380 for place in range(3 + 5 * number)] for number in range(12)]
"""From 3 to 58 tokens, of which none begins like another."""
LENGTH = 10
QUICK = ("llama", "bloom", "falcon")


WAYS = {"continuous batching": CONTINUOUS, "plain batches": PLAIN, "one request at a time": SINGLE}
CASES = [
    pytest.param(name, way, id=name, marks=() if name in QUICK else pytest.mark.thorough)
    for way, names in WAYS.items()
    for name in names
]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with loop_beside() as loop:
        yield loop


def start(loaded: LoadedModel, loop: asyncio.AbstractEventLoop) -> tuple[str, TokenGenerator]:
    return start_generator(loaded, CacheSize.for_model(loaded, max_context=None, kv_blocks=None), loop=loop)[:2]


def answer_all(
    generator: TokenGenerator, prompts: list[list[int]], loop: asyncio.AbstractEventLoop
) -> list[list[SampledToken]]:
    """The greedy answers to prompts that are asked at the same time."""

    async def answer(prompt: list[int]) -> list[SampledToken]:
        return [sampled async for sampled in generator.stream(prompt, GREEDY, max_tokens=LENGTH)]

    async def answers() -> list[list[SampledToken]]:
        return await asyncio.gather(*map(answer, prompts))

    return asyncio.run_coroutine_threadsafe(answers(), loop).result(60)


def generated(loaded: LoadedModel, prompt: list[int]) -> list[int]:
    """The greedy answer of transformers alone."""
    tokens = loaded.model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt)),
        max_new_tokens=LENGTH,
        do_sample=False,
        eos_token_id=loaded.tokenizer.eos_token_id,
        pad_token_id=loaded.tokenizer.pad_token_id,
    )
    return list(tokens[0, len(prompt) :].tolist())


def largest_difference(loaded: LoadedModel, prompt: list[int], answer: list[SampledToken]) -> float:
    """To the log-probabilities of one plain forward pass."""
    with torch.no_grad():
        logits = loaded.model(torch.tensor([prompt + [sampled.token for sampled in answer]])).logits[0]
    plain = logits[len(prompt) - 1 : -1].float().log_softmax(-1)
    return max(
        abs(float(row[sampled.token]) - (sampled.logprob or 0.0)) for row, sampled in zip(plain, answer, strict=True)
    )


class Cacheless(LlamaForCausalLM):
    """Computes nonsense as soon as it goes on from a cache, so that none of our ways to generate can serve it."""

    def forward(self, *args: Any, past_key_values: Any = None, **rest: Any) -> CausalLMOutputWithPast:
        output = super().forward(*args, past_key_values=past_key_values, **rest)
        if past_key_values is not None or "cache" in rest:
            output.logits = output.logits.roll(1, dims=-1)
        return output


def llama(model_class: type[LlamaForCausalLM] = LlamaForCausalLM) -> LoadedModel:
    return with_tokenizer(lambda: model_class(LlamaConfig(vocab_size=400, initializer_range=SPREAD, **LLAMA)))


class TestStartGenerator:
    @pytest.mark.parametrize(("name", "way"), CASES)
    def test_answers_alone_and_many_at_once_as_the_model_does(
        self, name: str, way: str, loop: asyncio.AbstractEventLoop
    ) -> None:
        loaded = make_loaded(name)
        chosen, generator = start(loaded, loop)
        try:
            (alone,) = answer_all(generator, PROMPTS[3:4], loop)
            together = answer_all(generator, PROMPTS, loop)
        finally:
            generator.stop(timeout=5)
        assert chosen == way
        assert [sampled.token for sampled in alone] == generated(loaded, PROMPTS[3])
        assert [[sampled.token for sampled in answer] for answer in together] == [
            generated(loaded, prompt) for prompt in PROMPTS
        ]
        for prompt, answer in zip(PROMPTS, together, strict=True):
            assert largest_difference(loaded, prompt, answer) < TOLERANCES["float32"]

    def test_a_model_that_none_of_our_ways_computes_rightly_is_refused_by_name(
        self, loop: asyncio.AbstractEventLoop, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(
            ArchitectureNotServable,
            match="the transformers engine cannot serve Cacheless rightly: asked two prompts at once",
        ) as caught:
            start(llama(Cacheless), loop)
        assert code_of(caught.value, "m") == ARCHITECTURE_UNSERVABLE
        told = capsys.readouterr().out
        for way in WAYS:
            assert f"Cacheless is not served by {way}: " in told

    def test_a_diverged_model_is_refused(self, loop: asyncio.AbstractEventLoop) -> None:
        loaded = llama()
        with torch.no_grad():
            loaded.model.lm_head.weight.fill_(torch.nan)
        with pytest.raises(
            ModelNotServable, match="rightly: the model computes scores that are no finite numbers"
        ) as caught:
            start(loaded, loop)
        assert code_of(caught.value, "m") == MODEL_UNLOADABLE

    def test_rounding_to_bf16_is_no_fault(self, loop: asyncio.AbstractEventLoop) -> None:
        loaded = llama()
        loaded.model.to(torch.bfloat16)
        way, generator = start(loaded, loop)
        generator.stop(timeout=5)
        assert way == "continuous batching"

    def test_capped_attention_is_seen_behind_the_roundings_of_bf16(self, loop: asyncio.AbstractEventLoop) -> None:
        loaded = make_loaded("gemma2")
        loaded.model.to(torch.bfloat16)
        way, generator = start(loaded, loop)
        generator.stop(timeout=5)
        assert way == "plain batches"

    @pytest.mark.parametrize(
        ("dtype", "quantization", "tolerance"),
        [
            (torch.float32, None, TOLERANCES["float32"]),
            (torch.float64, None, TOLERANCES["float32"]),
            (torch.float16, None, TOLERANCES["float16"]),
            (torch.float16, {"load_in_8bit": True}, TOLERANCES["bfloat16"]),
        ],
    )
    def test_the_tolerance_fits_the_numbers(
        self, dtype: torch.dtype, quantization: dict[str, bool] | None, tolerance: float
    ) -> None:
        model = llama().model.to(dtype)
        model.config.quantization_config = quantization
        assert tolerance_of(model) == tolerance

    def test_a_context_that_is_shorter_than_the_probes(self, loop: asyncio.AbstractEventLoop) -> None:
        loaded = llama()
        size = CacheSize.for_model(loaded, max_context=8, kv_blocks=None)
        way, generator, _ = start_generator(loaded, size, loop=loop)
        generator.stop(timeout=5)
        assert (way, generator.context) == ("continuous batching", 8)

    def test_want_of_memory_is_no_verdict_on_the_model(self, loop: asyncio.AbstractEventLoop) -> None:
        loaded = llama()
        size = CacheSize(context=512, blocks=2**40)
        with pytest.raises(MemoryError, match="available memory"):
            start_generator(loaded, size, loop=loop)
