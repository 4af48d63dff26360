"""Whatever the architecture, a prompt's scores are those of one plain forward pass, or the engine has none."""

import asyncio
from collections.abc import Iterator

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.modeling_outputs import CausalLMOutputWithPast

from finery.engines.transformers.cache_size import CacheSize
from finery.engines.transformers.generation import TokenGenerator
from finery.engines.transformers.loading import LoadedModel
from finery.engines.transformers.prompts import Job
from finery.engines.transformers.sampling import GenerationFailed, SampledToken, Sampling
from finery.engines.transformers.scoring import Scorer
from finery.engines.transformers.starting import start_generator
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

PROMPT = [6 + (17 * place + 3 * place * place) % 380 for place in range(60)]
CLOSE = 1e-4
QUICK = ("llama", "gemma2", "rwkv")
WITHOUT = ("gpt_oss",)
"""They attend only in the way of continuous batching once that has begun."""
CASES = [
    pytest.param(name, id=name, marks=() if name in QUICK else pytest.mark.thorough)
    for name in (*CONTINUOUS, *PLAIN, *SINGLE)
]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with loop_beside() as loop:
        yield loop


def start(loaded: LoadedModel, loop: asyncio.AbstractEventLoop) -> tuple[TokenGenerator, Scorer | None]:
    size = CacheSize.for_model(loaded, max_context=None, kv_blocks=None)
    return start_generator(loaded, size, loop=loop)[1:]


def make_job(prompt: list[int], *, max_tokens: int = 0, rivals: int = 2) -> Job:
    sampling = Sampling(temperature=0, logprobs=rivals)
    return Job(index=0, prompt=prompt, sampling=sampling, max_tokens=max_tokens, stops=[], counts_prompt=True)


def plain_scores(loaded: LoadedModel, prompt: list[int]) -> torch.Tensor:
    """Log-probabilities of all tokens at each position, by one forward pass of the untouched model."""
    with torch.inference_mode():
        return loaded.model(torch.tensor([prompt]), use_cache=False).logits[0].float().log_softmax(dim=-1)


def assert_equal(scored: list[SampledToken], plain: torch.Tensor, prompt: list[int]) -> None:
    assert [token.token for token in scored[: len(prompt)]] == prompt
    assert (scored[0].logprob, scored[0].rivals) == (None, ())
    for place, token in enumerate(scored[1:]):
        assert token.logprob == pytest.approx(float(plain[place, token.token]), abs=CLOSE)
        best = plain[place].topk(len(token.rivals)).values.tolist()
        assert [value for _, value in token.rivals] == pytest.approx(best, abs=CLOSE)


class TestScorer:
    @pytest.mark.parametrize("name", CASES)
    def test_scores_as_one_plain_forward_pass(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        loaded = make_loaded(name)
        plain = plain_scores(loaded, PROMPT)
        generator, scorer = start(loaded, loop)
        try:
            if name in WITHOUT:
                assert scorer is None
                return
            assert scorer is not None
            assert_equal(scorer.scored(make_job(PROMPT, max_tokens=1), portion=7), plain, PROMPT)
            assert_equal(scorer.scored(make_job(PROMPT), portion=len(PROMPT)), plain, PROMPT)
        finally:
            generator.stop(timeout=5)

    def test_beside_generation_both_are_right(self, loop: asyncio.AbstractEventLoop) -> None:
        loaded = make_loaded("llama")
        plain = plain_scores(loaded, PROMPT)
        alone = loaded.model.generate(torch.tensor([PROMPT[:9]]), max_new_tokens=60, do_sample=False)[0, 9:].tolist()
        generator, scorer = start(loaded, loop)
        assert scorer is not None

        async def generate() -> list[int]:
            stream = generator.stream(PROMPT[:9], Sampling(temperature=0), max_tokens=60)
            return [sampled.token async for sampled in stream]

        async def both() -> tuple[list[int], list[list[SampledToken]]]:
            scores = [scorer.score(make_job(PROMPT, max_tokens=1)) for _ in range(20)]
            answer, *scored = await asyncio.gather(generate(), *scores)
            return answer, scored

        try:
            answer, scored = asyncio.run_coroutine_threadsafe(both(), loop).result(60)
        finally:
            generator.stop(timeout=5)
        assert answer == alone[: len(answer)]
        assert len(scored) == 20
        for tokens in scored:
            assert_equal(tokens, plain, PROMPT)

    def test_a_client_that_leaves_ends_its_scoring_at_the_next_portion(self, loop: asyncio.AbstractEventLoop) -> None:
        passes = 0

        def count(*_: object) -> None:
            nonlocal passes
            passes += 1

        loaded = make_loaded("llama")
        generator, scorer = start(loaded, loop)
        loaded.model.register_forward_hook(count)
        assert scorer is not None
        try:
            with pytest.raises(GenerationFailed, match="left"):
                scorer.scored(make_job(PROMPT), portion=7, has_left=lambda: passes == 3)
        finally:
            generator.stop(timeout=5)
        assert passes == 3

    def test_a_model_that_fails_fails_that_prompt_alone(self, loop: asyncio.AbstractEventLoop) -> None:
        loaded = make_loaded("llama")
        generator, scorer = start(loaded, loop)
        assert scorer is not None

        def score(token: int) -> list[SampledToken]:
            asked = asyncio.run_coroutine_threadsafe(scorer.score(make_job([token] * 3)), loop)
            return asked.result(60)

        try:
            with pytest.raises(GenerationFailed):
                score(10**6)
            assert len(score(7)) == 3
        finally:
            generator.stop(timeout=5)


class TestFindScorer:
    def test_a_model_that_computes_portions_wrongly_is_scored_in_one_piece(
        self, loop: asyncio.AbstractEventLoop
    ) -> None:
        loaded = make_loaded("mamba")
        generator, scorer = start(loaded, loop)
        generator.stop(timeout=5)
        assert scorer is not None
        assert scorer.most_tokens is not None

    def test_one_that_also_computes_the_whole_otherwise_than_at_its_start_has_none(
        self, loop: asyncio.AbstractEventLoop, capsys: pytest.CaptureFixture[str]
    ) -> None:
        generator, scorer = start(with_tokenizer(make_moody), loop)
        generator.stop(timeout=5)
        assert scorer is None
        assert "Moody does not score prompts in one piece: its log-probabilities differ" in capsys.readouterr().out


def make_moody() -> "Moody":
    return Moody(LlamaConfig(vocab_size=400, initializer_range=SPREAD, **LLAMA))


class Moody(LlamaForCausalLM):
    """From its third plain pass on, which is the first after the two of the self-check, it computes otherwise."""

    wholes = 0

    def forward(self, *args: object, **options: object) -> CausalLMOutputWithPast:
        output: CausalLMOutputWithPast = super().forward(*args, **options)
        if args:
            self.wholes += 1
            if self.wholes > 2:
                output.logits = output.logits.roll(1, dims=-1)
        return output
