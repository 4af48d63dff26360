"""Runs one model by transformers' `generate`, for the architectures that continuous batching computes wrongly.

A batch is a few requests that waited at the same time, padded on the left. Batches take turns of some tokens each, so
that a short answer need not wait for the end of a long one.
"""

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from transformers import (
    Cache,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from finery.engines.transformers.cache_size import CacheSize
from finery.engines.transformers.generation import GenerationStopped, TokenGenerator
from finery.engines.transformers.loading import LoadedModel
from finery.engines.transformers.sampling import (
    GenerationFailed,
    RequestSampler,
    SampledToken,
    Step,
    choose_tokens,
    scores_of_choice,
)

MOST_ROWS = 8
TURN_TOKENS = 16
"""The number of tokens that a batch generates before the next one has its turn."""
PADDING = 0
"""Any token will do, since the mask hides it."""


@dataclass(frozen=True)
class WaitingRequest:
    id: str
    prompt: list[int]
    max_tokens: int


@dataclass
class Batch:
    """Requests that are computed together. Their rows stay until all of them have ended."""

    rows: list[str]
    """The id of each row's request."""
    left: dict[str, int]
    """The number of tokens that may still be generated for each request that has not ended."""
    tokens: torch.Tensor
    """Prompts and answers so far, padded on the left; shape [rows, length]."""
    mask: torch.Tensor
    """1 at each token that is no padding; of the same shape."""
    cache: Cache | None = None
    """Keys and values of all tokens but the last; None before the first turn, and where they cannot be kept."""

    @classmethod
    def of(cls, requests: Sequence[WaitingRequest], device: torch.device) -> "Batch":
        width = max(len(request.prompt) for request in requests)
        pads = [width - len(request.prompt) for request in requests]
        tokens = [[PADDING] * pad + request.prompt for pad, request in zip(pads, requests, strict=True)]
        return cls(
            rows=[request.id for request in requests],
            left={request.id: request.max_tokens for request in requests},
            tokens=torch.tensor(tokens, device=device),
            mask=torch.tensor([[0] * pad + [1] * (width - pad) for pad in pads], device=device),
        )

    @property
    def largest_size(self) -> int:
        """The number of tokens that its cache will hold at most."""
        return self.mask.numel() + len(self.rows) * max(self.left.values(), default=0)

    def append(self, sequences: torch.Tensor, cache: Cache | None) -> None:
        """Takes over the tokens so far with those that were generated, and what was cached of them."""
        grown = sequences.shape[1] - self.tokens.shape[1]
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.rows), grown)], dim=1)
        self.tokens, self.cache = sequences, cache


class PlainGenerator(TokenGenerator):
    def __init__(
        self, loaded: LoadedModel, size: CacheSize, *, loop: asyncio.AbstractEventLoop, most_rows: int = MOST_ROWS
    ) -> None:
        """`most_rows` is the number of requests in a batch: 1 for an architecture that computes padding wrongly."""
        super().__init__(loaded, context=size.context, loop=loop)
        self._model = loaded.model
        self._keeps_cache = "past_key_values" in inspect.signature(loaded.model.forward).parameters
        self._cache_tokens = size.tokens
        self._most_rows = most_rows
        self._thread = threading.Thread(target=self._run, name="generation", daemon=True)
        self._changed = threading.Condition()
        """Guards what follows."""
        self._is_stopping = False
        self._waiting: deque[WaitingRequest] = deque()
        self._samplers: dict[str, RequestSampler] = {}
        """Those of all requests that are not withdrawn."""

    def start(self) -> None:
        self._thread.start()

    def is_running(self) -> bool:
        return self._thread.is_alive()

    def stop(self, *, timeout: float) -> None:
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        self._thread.join(timeout)

    def _submit(self, request_id: str, prompt: list[int], sampler: RequestSampler, max_tokens: int) -> None:
        with self._changed:
            if self._is_stopping:
                raise GenerationStopped("The generation thread has stopped.")
            self._samplers[request_id] = sampler
            self._waiting.append(WaitingRequest(request_id, prompt, max_tokens))
            self._changed.notify()

    def _withdraw(self, request_id: str) -> None:
        with self._changed:
            self._samplers.pop(request_id, None)

    def _run(self) -> None:
        batches: deque[Batch] = deque()
        try:
            while self._wait_for_work(batches):
                batch = batches.popleft()
                self._take_turn(batch)
                if batch.left:
                    batches.append(batch)
        except Exception as error:  # noqa: BLE001 - the edge of the thread: whatever it is, the requests are told.
            self._fail_all(str(error) or type(error).__name__)
        else:
            self._fail_all("The engine is shutting down.")

    def _wait_for_work(self, batches: deque[Batch]) -> bool:
        """Puts waiting requests into a batch, as far as there is room. Returns False when the generation shall end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopping or self._waiting or batches)
            if self._is_stopping:
                return False
            joining = self._take_joining(self._cache_tokens - sum(batch.largest_size for batch in batches), batches)
        if joining:
            batches.appendleft(Batch.of(joining, self.device))
        return True

    def _take_joining(self, room: int, batches: deque[Batch]) -> list[WaitingRequest]:
        """Takes the next waiting requests that fit into `room` tokens; the first in any case where nothing runs."""
        joining: list[WaitingRequest] = []
        while self._waiting and len(joining) < self._most_rows:
            together = [*joining, self._waiting[0]]
            width = max(len(request.prompt) for request in together) + max(request.max_tokens for request in together)
            if len(together) * width > room and (joining or batches):
                break
            joining.append(self._waiting.popleft())
        return joining

    def _take_turn(self, batch: Batch) -> None:
        cached = {} if batch.cache is None else {"past_key_values": batch.cache}
        output = self._model.generate(
            input_ids=batch.tokens,
            attention_mask=batch.mask,
            generation_config=GenerationConfig(
                do_sample=False, max_new_tokens=TURN_TOKENS, pad_token_id=PADDING, return_dict_in_generate=True
            ),
            logits_processor=LogitsProcessorList([BatchSampler(batch, self._samplers, self.end_tokens, self._deliver)]),
            stopping_criteria=StoppingCriteriaList([TurnEnd(batch, lambda: self._is_stopping)]),
            **cached,
        )
        cache = output.past_key_values if self._keeps_cache else None
        batch.append(output.sequences, cache if isinstance(cache, Cache) else None)

    def _fail_all(self, reason: str) -> None:
        with self._changed:
            self._is_stopping = True
            self._deliver([(request_id, GenerationStopped(reason)) for request_id in self._samplers])


class BatchSampler(LogitsProcessor):
    """Chooses the token of each row by its request's settings, and tells the requests of it."""

    def __init__(
        self,
        batch: Batch,
        samplers: Mapping[str, RequestSampler],
        end_tokens: frozenset[int],
        deliver: Callable[[Step], None],
    ) -> None:
        self._batch = batch
        self._samplers = samplers
        self._end_tokens = end_tokens
        self._deliver = deliver

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        left = self._batch.left
        running = {request_id: self._samplers[request_id] for request_id in list(left) if request_id in self._samplers}
        chosen, step = choose_tokens(scores, self._batch.rows, running)
        self._deliver(step)
        going_on = (request_id for request_id, sampled in step if not self._ends(sampled))
        self._batch.left = {request_id: left[request_id] - 1 for request_id in going_on if left[request_id] > 1}
        return scores_of_choice(scores, chosen)

    def _ends(self, sampled: SampledToken | GenerationFailed) -> bool:
        return isinstance(sampled, GenerationFailed) or sampled.is_last or sampled.token in self._end_tokens


class TurnEnd(StoppingCriteria):
    """Ends a turn before its time when no request of the batch is left."""

    def __init__(self, batch: Batch, is_stopping: Callable[[], bool]) -> None:
        self._batch = batch
        self._is_stopping = is_stopping

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        ended = not self._batch.left or self._is_stopping()
        return torch.full((input_ids.shape[0],), ended, device=input_ids.device)
