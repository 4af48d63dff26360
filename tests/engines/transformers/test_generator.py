import asyncio
from pathlib import Path

import pytest
import torch

from finery.engines.transformers.cache_size import CacheSize, default_kv_blocks
from finery.engines.transformers.generation import GenerationStopped
from finery.engines.transformers.generator import BatchGenerator
from finery.engines.transformers.loading import LoadedModel, ModelNotLoadable, load_model
from finery.engines.transformers.sampling import GenerationFailed, RequestSampler, SampledToken, Sampling
from tests.engines.tiny import CONTEXT

GREEDY = Sampling(temperature=0)


@pytest.fixture
def loaded(model_folder: Path) -> LoadedModel:
    return load_model(str(model_folder), dtype="float32", quantization=None)


def make_generator(loaded: LoadedModel, *, kv_blocks: int) -> BatchGenerator:
    size = CacheSize.for_model(loaded, max_context=None, kv_blocks=kv_blocks)
    return BatchGenerator(loaded, size, loop=asyncio.get_running_loop())


class TestStream:
    async def collect(self, generator: BatchGenerator, prompt: list[int], length: int) -> list[int]:
        return [sampled.token async for sampled in generator.stream(prompt, GREEDY, max_tokens=length)]

    def test_more_requests_than_the_cache_holds_all_end_rightly(self, loaded: LoadedModel) -> None:
        prompts = [[20 + number] * 200 for number in range(6)]
        # A tokenizer's end token would end the answers before they fill the cache.
        loaded.defaults.eos_token_id = None
        loaded.tokenizer.eos_token = None
        expected = [
            loaded.model.generate(torch.tensor([prompt]), max_new_tokens=120, do_sample=False)[0, 200:].tolist()
            for prompt in prompts
        ]

        async def scenario() -> list[list[int]]:
            generator = make_generator(loaded, kv_blocks=3)
            generator.start()
            try:
                return await asyncio.gather(*(self.collect(generator, prompt, 120) for prompt in prompts))
            finally:
                generator.stop(timeout=5)

        assert asyncio.run(scenario()) == expected

    def test_the_whole_cache_holds_one_whole_context(self, loaded: LoadedModel) -> None:
        async def scenario() -> tuple[int, int]:
            generator = make_generator(loaded, kv_blocks=1)
            generator.start()
            try:
                sampling = Sampling(temperature=1.5, seed=1)
                prompt = [30] * (generator.context - 20)
                tokens = [sampled async for sampled in generator.stream(prompt, sampling, max_tokens=20)]
                return generator.context, len(tokens)
            finally:
                generator.stop(timeout=5)

        assert asyncio.run(scenario()) == (256, 20)

    def test_a_dead_generation_thread_ends_every_request(
        self, loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(self: RequestSampler, logits: torch.Tensor) -> SampledToken:
            raise RuntimeError("the device is gone")

        monkeypatch.setattr(RequestSampler, "choose", fail)

        async def scenario() -> None:
            generator = make_generator(loaded, kv_blocks=8)
            generator.start()
            async for _ in generator.stream([30], Sampling(), max_tokens=20):
                pass

        with pytest.raises(GenerationStopped, match="the device is gone"):
            asyncio.run(scenario())

    def test_a_model_that_computes_nan_fails_the_request_alone(self, loaded: LoadedModel) -> None:
        weight = loaded.model.get_input_embeddings().weight
        with torch.no_grad():
            weight[30] = torch.nan

        async def scenario() -> list[int]:
            generator = make_generator(loaded, kv_blocks=8)
            generator.start()
            try:
                with pytest.raises(GenerationFailed, match="no finite scores"):
                    await self.collect(generator, [30], 5)
                return await self.collect(generator, [31], 5)
            finally:
                generator.stop(timeout=5)

        assert len(asyncio.run(scenario())) in range(1, 6)


class TestDefaultKvBlocks:
    def test_holds_several_contexts(self, loaded: LoadedModel) -> None:
        assert default_kv_blocks(loaded.model, torch.device("cpu"), context=CONTEXT) == 16

    def test_is_bounded_by_memory(self, loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
        # A token takes 2 (keys and values) * 2 layers * 2 heads * 16 * 4 bytes = 512.
        monkeypatch.setattr("finery.engines.transformers.cache_size.CPU_CACHE_BYTES", 512 * 256 * 3)
        assert default_kv_blocks(loaded.model, torch.device("cpu"), context=CONTEXT) == 3
        monkeypatch.setattr("finery.engines.transformers.cache_size.CPU_CACHE_BYTES", 1000)
        with pytest.raises(ModelNotLoadable, match="holds no context"):
            default_kv_blocks(loaded.model, torch.device("cpu"), context=CONTEXT)
