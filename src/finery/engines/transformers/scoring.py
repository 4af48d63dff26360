"""Scores whole prompts: the log-probability of each token after those before it, by plain forward passes."""

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from finery.engines.transformers.loading import LoadedModel
from finery.engines.transformers.prompts import Job
from finery.engines.transformers.sampling import GenerationFailed, RequestSampler, SampledToken, Sampling
from finery.engines.transformers.self_check import OUTLIERS, RIVALS, Probe, difference_of, tolerance_of

PORTION_TOKENS = 512
"""Tokens of one forward pass of a model that keeps a cache: the scores of more would take much memory at once, and
keep the answers of others waiting."""
WHOLE_BYTES = 2**30
"""The most memory that the scores of one pass may take where a model computes a prompt only as a whole."""
SCORE_BYTES = 4
"""Bytes of one score in float32."""
PROBE_PORTION = 5
ROWS = 64
"""Positions whose scores are turned into log-probabilities, which takes them in float32, at once."""


class Scorer:
    """Scores one prompt at a time, in turns with the generation: model and processor are the same."""

    def __init__(self, loaded: LoadedModel, *, in_portions: bool) -> None:
        self._model = loaded.model
        self._device = loaded.device
        self._vocabulary = loaded.model.get_input_embeddings().num_embeddings
        self._in_portions = in_portions
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scoring")

    @property
    def most_tokens(self) -> int | None:
        """The longest prompt that it can score; None: whatever the context holds."""
        return None if self._in_portions else WHOLE_BYTES // (self._vocabulary * SCORE_BYTES)

    async def score(self, job: Job) -> list[SampledToken]:
        """Returns the prompt's tokens, of which the first has no log-probability, and then as many as it makes: one or
        none. Cancelling ends it after the portion that is being computed. Raises GenerationFailed.
        """
        has_left = threading.Event()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._score, job, has_left.is_set)
        finally:
            has_left.set()

    def _score(self, job: Job, has_left: Callable[[], bool]) -> list[SampledToken]:
        try:
            return self.scored(job, portion=PORTION_TOKENS, has_left=has_left)
        except GenerationFailed:
            raise
        except Exception as error:
            raise GenerationFailed(str(error) or type(error).__name__) from error

    @torch.inference_mode()
    def scored(self, job: Job, *, portion: int, has_left: Callable[[], bool] = lambda: False) -> list[SampledToken]:
        """Computes what `score` returns, on this thread. Raises GenerationFailed, and whatever the model raises."""
        scored = [SampledToken(job.prompt[0])]
        last: torch.Tensor | None = None
        for logits in self._logits(job.prompt, portion if self._in_portions else len(job.prompt)):
            if has_left():
                raise GenerationFailed("The client has left.")
            following = job.prompt[len(scored) : len(scored) + len(logits)]
            scored += tokens_of(logits, following, rivals=job.sampling.logprobs or 0)
            last = logits[-1]
        if job.max_tokens and last is not None:
            scored.append(RequestSampler(job.sampling, job.prompt, self._device).choose(last.float()))
        return scored

    def _logits(self, prompt: list[int], portion: int) -> Iterator[torch.Tensor]:
        """Yields the scores at all positions of the prompt, in portions of shape [positions, vocabulary]."""
        cached: dict[str, Any] = {}
        for start in range(0, len(prompt), portion):
            tokens = torch.tensor([prompt[start : start + portion]], device=self._device)
            goes_on = start + portion < len(prompt)
            output = self._model(tokens, use_cache=goes_on, **cached)
            if goes_on:
                cached = {"past_key_values": output.past_key_values}
            yield output.logits[0]


def tokens_of(logits: torch.Tensor, following: Sequence[int], *, rivals: int) -> Iterator[SampledToken]:
    """Yields the tokens that follow each position, with their log-probabilities, as far as there are any.

    `logits` has the shape [positions, vocabulary]. Raises GenerationFailed.
    """
    for start in range(0, len(following), ROWS):
        tokens = following[start : start + ROWS]
        scores = logits[start : start + len(tokens)].float()
        logprobs = scores - scores.logsumexp(dim=-1, keepdim=True)
        if not logprobs.amax(dim=-1).isfinite().all():
            raise GenerationFailed("The model computed no finite scores for the prompt.")
        own = logprobs.gather(1, torch.tensor(tokens, device=logits.device).unsqueeze(-1)).squeeze(-1).tolist()
        best = logprobs.topk(min(rivals, logprobs.shape[-1]), dim=-1)
        for row in zip(tokens, own, best.indices.tolist(), best.values.tolist(), strict=True):
            token, logprob, indices, values = row
            yield SampledToken(token, logprob, tuple(zip(indices, values, strict=True)))


def take_turns(loaded: LoadedModel) -> None:
    """Lets one thread at a time compute with the model: some keep state between passes, as scaled rotations do."""
    turn = threading.Lock()

    def begin(*_: object) -> None:
        turn.acquire()

    def end(*_: object) -> None:
        turn.release()

    loaded.model.register_forward_pre_hook(begin)
    loaded.model.register_forward_hook(end, always_call=True)


def find_scorer(loaded: LoadedModel, probes: Sequence[Probe]) -> Scorer | None:
    """Returns a scorer that computes what one plain forward pass does, now that a generator has changed how the model
    computes attention; None where there is none.
    """
    keeps_cache = "past_key_values" in inspect.signature(loaded.model.forward).parameters
    for in_portions in (True, False) if keeps_cache else (False,):
        scorer = Scorer(loaded, in_portions=in_portions)
        if fault := find_fault(scorer, probes, tolerance=tolerance_of(loaded.model)):
            way = "portions" if in_portions else "one piece"
            print(f"{type(loaded.model).__name__} does not score prompts in {way}: {fault}", flush=True)
            continue
        take_turns(loaded)
        return scorer
    return None


def find_fault(scorer: Scorer, probes: Sequence[Probe], *, tolerance: float) -> str | None:
    differences = []
    for probe in probes:
        job = Job(
            index=0,
            prompt=probe.prompt + probe.answer,
            sampling=Sampling(logprobs=RIVALS),
            max_tokens=0,
            stops=[],
            counts_prompt=True,
        )
        try:
            scored = scorer.scored(job, portion=PROBE_PORTION)
        except Exception as error:  # noqa: BLE001 - whatever it is, this model is not scored so.
            return str(error) or type(error).__name__
        answer = scored[len(probe.prompt) :]
        differences += [difference_of(plain, token) for plain, token in zip(probe.logprobs, answer, strict=True)]
    largest, mean = max(differences), sum(differences) / len(differences)
    if mean <= tolerance and largest <= OUTLIERS * tolerance:
        return None
    return f"its log-probabilities differ by {largest:.2g} at most, where {tolerance:g} is expected"
