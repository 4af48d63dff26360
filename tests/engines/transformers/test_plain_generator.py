import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import torch

from finery.engines.transformers.cache_size import CacheSize
from finery.engines.transformers.generation import GenerationStopped
from finery.engines.transformers.loading import LoadedModel
from finery.engines.transformers.plain_generator import PlainGenerator
from finery.engines.transformers.sampling import GenerationFailed, SampledToken, Sampling
from finery.engines.transformers.self_check import PrescribedAnswer
from tests.engines.architectures import make_loaded

GREEDY = Sampling(temperature=0)
LONG = 100


@pytest.fixture
def loaded() -> LoadedModel:
    loaded = make_loaded("bloom")
    # Without an end token, an answer is as long as it was asked to be.
    loaded.tokenizer.eos_token = None
    return loaded


@asynccontextmanager
async def running(loaded: LoadedModel, *, blocks: int = 16, most_rows: int = 8) -> AsyncIterator[PlainGenerator]:
    size = CacheSize(context=512, blocks=blocks)
    generator = PlainGenerator(loaded, size, loop=asyncio.get_running_loop(), most_rows=most_rows)
    generator.start()
    try:
        yield generator
    finally:
        generator.stop(timeout=10)
        assert not generator.is_running()


async def tokens(
    generator: PlainGenerator,
    prompt: list[int],
    length: int,
    sampling: Sampling = GREEDY,
    note: Callable[[], None] = int,
) -> list[int]:
    made = [sampled.token async for sampled in generator.stream(prompt, sampling, max_tokens=length)]
    note()
    return made


def alone(loaded: LoadedModel, prompt: list[int], length: int) -> list[int]:
    made = loaded.model.generate(torch.tensor([prompt]), max_new_tokens=length, do_sample=False, pad_token_id=1)
    return list(made[0, len(prompt) :].tolist())


class TestStream:
    def test_a_short_answer_does_not_wait_for_a_long_one(self, loaded: LoadedModel) -> None:
        ended: list[str] = []

        async def scenario() -> None:
            async with running(loaded) as generator:
                long = asyncio.create_task(tokens(generator, [30], LONG, note=lambda: ended.append("long")))
                while generator.active < 1:
                    await asyncio.sleep(0)
                short = asyncio.create_task(tokens(generator, [40, 41], 3, note=lambda: ended.append("short")))
                assert (len(await long), len(await short)) == (LONG, 3)

        asyncio.run(scenario())
        assert ended == ["short", "long"]

    def test_turns_and_room_change_no_answer(self, loaded: LoadedModel) -> None:
        """Twenty tokens take two turns, and 256 tokens of cache hold four of these requests at most."""
        prompts = [[20 + number] * (30 + number) for number in range(6)]

        async def scenario() -> list[list[int]]:
            async with running(loaded, blocks=1) as generator:
                return await asyncio.gather(*(tokens(generator, prompt, 20) for prompt in prompts))

        assert asyncio.run(scenario()) == [alone(loaded, prompt, 20) for prompt in prompts]

    def test_each_request_is_sampled_by_its_own_settings(self, loaded: LoadedModel) -> None:
        hot = Sampling(temperature=2.0, seed=7)

        async def scenario() -> tuple[list[int], ...]:
            async with running(loaded) as generator:
                return tuple(
                    await asyncio.gather(
                        tokens(generator, [50, 51], 20, hot),
                        tokens(generator, [50, 51], 20),
                        tokens(generator, [50, 51], 20, hot),
                    )
                )

        first, greedy, again = asyncio.run(scenario())
        assert first == again
        assert greedy == alone(loaded, [50, 51], 20) != first

    def test_a_grammar_holds_the_answer(self, loaded: LoadedModel) -> None:
        async def scenario() -> list[SampledToken]:
            async with running(loaded) as generator:
                stream = generator.stream([60], GREEDY, max_tokens=9, matcher=PrescribedAnswer([70, 71, 72]))
                return [sampled async for sampled in stream]

        assert [(made.token, made.is_last) for made in asyncio.run(scenario())] == [
            (70, False),
            (71, False),
            (72, True),
        ]

    def test_one_that_is_left_early_makes_room(self, loaded: LoadedModel) -> None:
        async def scenario() -> int:
            # The cache holds one whole context.
            async with running(loaded, blocks=2) as generator:
                stream = generator.stream([30], GREEDY, max_tokens=511)
                await anext(stream)
                await stream.aclose()
                return len(await tokens(generator, [31], 511))

        assert asyncio.run(scenario()) == 511

    def test_scores_that_are_no_numbers_fail_the_request_alone(self) -> None:
        loaded = make_loaded("llama")
        with torch.no_grad():
            loaded.model.get_input_embeddings().weight[30] = torch.nan

        async def scenario() -> list[int | BaseException]:
            async with running(loaded, most_rows=1) as generator:
                asked = (tokens(generator, [prompt], 1) for prompt in (30, 31))
                return await asyncio.gather(*asked, return_exceptions=True)

        failed, answered = asyncio.run(scenario())
        assert isinstance(failed, GenerationFailed)
        assert "no finite scores" in str(failed)
        assert answered == alone(loaded, [31], 1)


class TestStop:
    def test_ends_what_is_being_generated(self, loaded: LoadedModel) -> None:
        async def scenario() -> None:
            async with running(loaded) as generator:
                stream = generator.stream([30], GREEDY, max_tokens=511)
                await anext(stream)
                generator.stop(timeout=10)
                with pytest.raises(GenerationStopped, match="shutting down"):
                    [sampled async for sampled in stream]
                with pytest.raises(GenerationStopped):
                    await anext(generator.stream([30], GREEDY, max_tokens=1))

        asyncio.run(scenario())

    def test_a_computation_that_fails_ends_every_request_and_the_thread(
        self, loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("the device is gone")

        monkeypatch.setattr(loaded.model, "generate", fail)

        async def scenario() -> None:
            async with running(loaded) as generator:
                with pytest.raises(GenerationStopped, match="the device is gone"):
                    await tokens(generator, [30], 1)

        asyncio.run(scenario())
