"""Checks, before an engine is ready, that a model answers concurrent requests as it was trained.

Continuous batching hands a model packed prompts and a cache of its own, which some architectures ignore without a
word: they answer, wrongly. So two prompts are asked at the same time, in the way of all requests, and the scores are
compared with those of one plain forward pass each, which is what a trainer computes.

The answers are prescribed, so that one pass gives the scores of all their tokens, before any generator has changed how
the model computes attention.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finery.contracts.parity import TOLERANCES
from finery.engines.transformers.generation import TokenGenerator
from finery.engines.transformers.prompts import prompts_of
from finery.engines.transformers.sampling import GenerationFailed, SampledToken, Sampling

TEXTS = (
    "The smith keeps the fire, and the fire keeps the smith; what is iron in the morning is a tool by the evening.",
    "In 1784 a puddling furnace at Fontley turned 12 tons of pig iron a week into bars; the finery before it made one, "
    "and burnt charcoal from three acres of wood for it. Who counted them? Nobody, so it is said, but the charcoal "
    "burners themselves.",
)
PROMPT_TOKENS = (7, 24)
ANSWER_TOKENS = 5
RIVALS = 3
"""How many of the best tokens are compared at each position, beside the prescribed one."""
OUTLIERS = 4.0
"""The factor by which one token may differ more than all on average, since roundings are not evenly spread."""
SECONDS = 300.0


class NotFinite(Exception):
    """The model itself computes scores that are no numbers."""


@dataclass(frozen=True)
class Probe:
    prompt: list[int]
    answer: list[int]
    """The tokens that the model is made to answer."""
    logprobs: torch.Tensor
    """Natural log-probabilities at each token of the answer, float32 of shape [answer, vocabulary], on the CPU."""


def make_probes(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, context: int) -> list[Probe]:
    """Returns prompts of different lengths, with the scores of one plain forward pass each. Raises NotFinite."""
    return [
        make_probe(model, prompts_of(tokenizer).plain(text), min(length, max(1, context - ANSWER_TOKENS)))
        for text, length in zip(TEXTS, PROMPT_TOKENS, strict=True)
    ]


def make_probe(model: PreTrainedModel, tokens: list[int], length: int) -> Probe:
    # A tokenizer without these letters may make little of the text.
    tokens = (tokens or [0]) * (length + ANSWER_TOKENS)
    prompt, answer = tokens[:length], tokens[length : length + ANSWER_TOKENS]
    with torch.inference_mode():
        logits = model(torch.tensor([prompt + answer], device=model.device), use_cache=False).logits
    logprobs = logits[0, length - 1 : -1].float().log_softmax(dim=-1).cpu()
    if not logprobs.amax(dim=-1).isfinite().all():
        raise NotFinite("the model computes scores that are no finite numbers")
    return Probe(prompt, answer, logprobs)


def tolerance_of(model: PreTrainedModel) -> float:
    """Returns by how much right log-probabilities may differ on average.

    Some quantizations round a token by what else is in its batch, which is as coarse as bf16.
    """
    if model.config.to_dict().get("quantization_config"):
        return max(TOLERANCES.values())
    return TOLERANCES.get(str(model.dtype).removeprefix("torch."), TOLERANCES["float32"])


def find_fault(
    generator: TokenGenerator, probes: Sequence[Probe], *, tolerance: float, loop: asyncio.AbstractEventLoop
) -> str | None:
    """Starts a generator, asks it all probes at once, and returns what is wrong with its answers.

    Waits for `loop`, so it must not run on its thread.
    """
    asked = asyncio.run_coroutine_threadsafe(ask_all(generator, probes), loop)
    try:
        answers = asked.result(SECONDS)
    except GenerationFailed as error:
        return str(error)
    except TimeoutError:
        asked.cancel()
        return f"it has not answered two short prompts in {SECONDS:g} seconds"
    differences = [
        difference_of(plain, sampled)
        for probe, answer in zip(probes, answers, strict=True)
        for plain, sampled in zip(probe.logprobs, answer, strict=False)
    ]
    largest, mean = max(differences), sum(differences) / len(differences)
    if mean <= tolerance and largest <= OUTLIERS * tolerance:
        return None
    return (
        f"asked two prompts at once, its log-probabilities differ from those of one forward pass each by {largest:.2g} "
        f"at most and {mean:.2g} on average, where {tolerance:g} is expected"
    )


async def ask_all(generator: TokenGenerator, probes: Sequence[Probe]) -> list[list[SampledToken]]:
    """Starts the generator and returns its answers. Raises GenerationFailed."""
    answers = [asyncio.ensure_future(ask(generator, probe)) for probe in probes]
    # All wait before the start, so that they are computed together, and not the first alone.
    await asyncio.sleep(0)
    generator.start()
    return await asyncio.gather(*answers)


async def ask(generator: TokenGenerator, probe: Probe) -> list[SampledToken]:
    greedy, prescribed = Sampling(temperature=0.0, logprobs=RIVALS), PrescribedAnswer(probe.answer)
    stream = generator.stream(probe.prompt, greedy, max_tokens=len(probe.answer), matcher=prescribed)
    return [sampled async for sampled in stream]


def difference_of(plain: torch.Tensor, sampled: SampledToken) -> float:
    """Returns by how much a token's log-probabilities, its rivals' and the best token's lie off the plain ones."""
    told = dict(sampled.rivals)
    if sampled.logprob is not None:
        told[sampled.token] = sampled.logprob
    best = max(told, key=lambda token: told[token])
    return max(float(plain.max() - plain[best]), *(abs(told[token] - float(plain[token])) for token in told))


class PrescribedAnswer:
    """A grammar of one text: at each position it allows one token only."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens = tokens
        self._position = 0

    @property
    def is_complete(self) -> bool:
        return self._position == len(self._tokens)

    def mask(self, logits: torch.Tensor) -> torch.Tensor:
        """Returns the logits, shape [vocabulary], with all but the next token at minus infinity."""
        token = self._tokens[self._position]
        masked = torch.full_like(logits, -torch.inf)
        masked[token] = logits[token]
        return masked

    def accept(self, token: int) -> None:
        self._position += 1
