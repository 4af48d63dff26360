"""Samples the next token of every request in a batch, each by its own settings.

transformers' continuous batching samples all requests of a batch alike: one `do_sample`, no seeds, no penalties that
depend on what was generated, and log-probabilities of the processed scores only. Only its logits processors know
which request a row belongs to. `PerRequestSampler` is such a processor: it chooses each
row's token itself and hands back scores that are finite at that token alone, so the batch's own argmax picks it. That
keeps every request in the shared batch, whatever its settings, instead of falling back to one `generate` at a time.
It needs synchronous batching: in the asynchronous mode a row is computed before its last token is known here.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessor
from transformers.generation.continuous_batching.requests import FutureRequestState

# Dividing by a smaller temperature overflows; the best token is all but certain anyway.
GREEDY_BELOW = 1e-4


class GenerationFailed(Exception):
    """Generation failed for one request; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Temperature 0 (or next to it) is greedy; top_k 0 and top_p 1 keep all tokens. `logprobs` is the number of
    alternatives reported beside the chosen token's log-probability; None reports neither.

    OpenAI's presence and frequency penalties are subtracted from the scores of generated tokens, once and per
    occurrence; the repetition penalty divides or multiplies those of all tokens seen (Keskar et al. 2019, CTRL).
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    logprobs: int | None = None

    @property
    def is_plain_greedy(self) -> bool:
        return self.is_greedy and self.logprobs is None and not self.has_penalties

    @property
    def is_greedy(self) -> bool:
        return self.temperature < GREEDY_BELOW

    @property
    def has_penalties(self) -> bool:
        return self.repetition_penalty != 1 or self.presence_penalty != 0 or self.frequency_penalty != 0


@dataclass(frozen=True)
class SampledToken:
    """A token. Log-probabilities are natural, and taken before temperature, penalties and grammar."""

    token: int
    logprob: float | None = None
    rivals: tuple[tuple[int, float], ...] = ()
    is_last: bool = False
    """Whether the grammar allows nothing after it, though it is no end token."""


class Matcher(Protocol):
    """One answer's way through a grammar."""

    @property
    def is_complete(self) -> bool: ...

    def mask(self, logits: torch.Tensor) -> torch.Tensor:
        """Returns the logits, shape [vocabulary], with forbidden tokens at minus infinity. Raises GenerationFailed."""
        ...

    def accept(self, token: int) -> None: ...


class RequestSampler:
    """The sampler of one request: its settings, random state and history."""

    def __init__(
        self, sampling: Sampling, prompt: list[int], device: torch.device, matcher: Matcher | None = None
    ) -> None:
        self.sampling = sampling
        self._matcher = matcher
        self._seen = set(prompt)
        self._counts: Counter[int] = Counter()
        self._random = torch.Generator(device=device)
        if sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(sampling.seed)

    @property
    def takes_the_best(self) -> bool:
        """Whether the argmax of the raw scores is its choice, and no log-probability is reported."""
        return self.sampling.is_plain_greedy and self._matcher is None

    def choose(self, logits: torch.Tensor) -> SampledToken:
        """Samples from logits, float32 of shape [vocabulary]. Raises GenerationFailed."""
        scores = logits if self._matcher is None else self._matcher.mask(logits)
        token = self._pick(self._penalize(scores) if self.sampling.has_penalties else scores)
        self.record(token)
        is_last = self._matcher is not None and self._matcher.is_complete
        if self.sampling.logprobs is None:
            return SampledToken(token, is_last=is_last)
        logprobs = torch.log_softmax(logits, dim=-1)
        best = torch.topk(logprobs, min(self.sampling.logprobs, logprobs.numel()))
        rivals = tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True))
        return SampledToken(token, float(logprobs[token]), rivals, is_last)

    def record(self, token: int) -> None:
        self._seen.add(token)
        self._counts[token] += 1
        if self._matcher is not None:
            self._matcher.accept(token)

    def _penalize(self, logits: torch.Tensor) -> torch.Tensor:
        scores = logits.clone()
        if self.sampling.repetition_penalty != 1:
            seen = torch.tensor(sorted(self._seen), device=logits.device)
            picked = scores[seen]
            penalty = self.sampling.repetition_penalty
            scores[seen] = torch.where(picked < 0, picked * penalty, picked / penalty)
        if self._counts:
            tokens = torch.tensor(list(self._counts), device=logits.device)
            counts = torch.tensor(list(self._counts.values()), device=logits.device, dtype=scores.dtype)
            scores[tokens] -= self.sampling.frequency_penalty * counts + self.sampling.presence_penalty
        return scores

    def _pick(self, scores: torch.Tensor) -> int:
        if self.sampling.is_greedy:
            return int(scores.argmax())
        scores = keep_top_p(
            keep_top_k(scores / self.sampling.temperature, top_k=self.sampling.top_k), top_p=self.sampling.top_p
        )
        probabilities = torch.softmax(scores, dim=-1)
        return int(torch.multinomial(probabilities, num_samples=1, generator=self._random))


def keep_top_k(scores: torch.Tensor, *, top_k: int) -> torch.Tensor:
    if top_k <= 0 or top_k >= scores.numel():
        return scores
    threshold = torch.topk(scores, top_k).values[-1]
    return scores.masked_fill(scores < threshold, -torch.inf)


def keep_top_p(scores: torch.Tensor, *, top_p: float) -> torch.Tensor:
    """Keeps the fewest most probable tokens that sum to top_p or more, at least one (Holtzman et al. 2019)."""
    if top_p >= 1:
        return scores
    ordered, order = torch.sort(scores, descending=True)
    probabilities = torch.softmax(ordered, dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    dropped = before >= top_p
    dropped[0] = False
    return scores.masked_fill(torch.zeros_like(dropped).scatter(0, order, dropped), -torch.inf)


Step = list[tuple[str, SampledToken | GenerationFailed]]


class PerRequestSampler(ContinuousBatchingLogitsProcessor):
    """The batch's only logits processor. Calls `deliver` with each step's tokens, on the generation thread."""

    supported_kwargs: ClassVar[dict[str, type]] = {}
    ignored_kwargs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, deliver: Callable[[Step], None]) -> None:
        self._deliver = deliver
        self._requests: dict[str, RequestSampler] = {}
        self._rows: list[str] = []

    def add(self, request_id: str, sampler: RequestSampler) -> None:
        self._requests[request_id] = sampler

    def remove(self, request_id: str) -> None:
        self._requests.pop(request_id, None)

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        int32_tensor.zero_()

    def prepare_tensor_args(self, requests_with_new_token: list[FutureRequestState]) -> torch.Tensor:
        self._rows = [request.state.request_id for request in requests_with_new_token]
        return torch.empty(0, dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        chosen, step = choose_tokens(scores, self._rows, self._requests)
        self._deliver(step)
        return scores_of_choice(scores, chosen)


def choose_tokens(
    scores: torch.Tensor, rows: Sequence[str], samplers: Mapping[str, RequestSampler]
) -> tuple[list[int], Step]:
    """Returns the next token of each row, and the step that tells the requests of it.

    `scores` is float32 of shape [rows, vocabulary]; `rows` names the requests of the first rows. A row without a
    sampler, such as that of a request that was cancelled, gets the greedy token and is not told of.
    """
    chosen: list[int] = scores.argmax(dim=-1).tolist()
    finite: list[bool] = scores.amax(dim=-1).isfinite().tolist()
    step: Step = []
    for row, request_id in enumerate(rows):
        sampler = samplers.get(request_id)
        if sampler is None:
            continue
        if not finite[row]:
            step.append((request_id, GenerationFailed("The model computed no finite scores for the next token.")))
            continue
        try:
            sampled = _choose(sampler, scores[row], greedy=chosen[row])
        except GenerationFailed as error:
            step.append((request_id, error))
            continue
        chosen[row] = sampled.token
        step.append((request_id, sampled))
    return chosen, step


def scores_of_choice(scores: torch.Tensor, chosen: list[int]) -> torch.Tensor:
    """Returns scores of the same shape that are finite at each row's chosen token alone."""
    tokens = torch.tensor(chosen, device=scores.device).unsqueeze(-1)
    return torch.full_like(scores, -torch.inf).scatter(1, tokens, 0.0)


def _choose(sampler: RequestSampler, logits: torch.Tensor, *, greedy: int) -> SampledToken:
    if not sampler.takes_the_best:
        return sampler.choose(logits)
    sampler.record(greedy)
    return SampledToken(greedy)
