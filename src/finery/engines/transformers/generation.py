"""What every generator has in common: each request is an async iterator of tokens, which a thread computes."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from uuid import uuid4

from finery.contracts.chat_prompts import end_tokens
from finery.engines.transformers.loading import LoadedModel
from finery.engines.transformers.sampling import (
    GenerationFailed,
    Matcher,
    RequestSampler,
    SampledToken,
    Sampling,
    Step,
)


class GenerationStopped(GenerationFailed):
    """The generation thread has ended; this process generates nothing any more."""


class TokenGenerator(ABC):
    """Generates tokens for many requests at once. May be made on any thread; `stream` runs on the given loop only."""

    def __init__(self, loaded: LoadedModel, *, context: int, loop: asyncio.AbstractEventLoop) -> None:
        self.context = context
        """The largest number of tokens of a prompt and its answer together."""
        self.device = loaded.device
        self.end_tokens = end_tokens(loaded.defaults.eos_token_id, loaded.tokenizer.eos_token_id)
        self._loop = loop
        self._queues: dict[str, asyncio.Queue[SampledToken | GenerationFailed]] = {}

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def is_running(self) -> bool: ...

    @abstractmethod
    def stop(self, *, timeout: float) -> None:
        """Ends the generation, and with an error every request; waits at most `timeout` seconds for the thread."""

    @abstractmethod
    def _submit(self, request_id: str, prompt: list[int], sampler: RequestSampler, max_tokens: int) -> None:
        """Has a request computed, whose tokens are given to `_deliver`. Raises GenerationStopped."""

    @abstractmethod
    def _withdraw(self, request_id: str) -> None:
        """Ends the computation of a request, which may have ended already, or never been accepted."""

    @property
    def active(self) -> int:
        """The number of choices that are being generated or wait for room in the batch."""
        return len(self._queues)

    async def stream(
        self, prompt: list[int], sampling: Sampling, *, max_tokens: int, matcher: Matcher | None = None
    ) -> AsyncGenerator[SampledToken]:
        """Yields at most `max_tokens` tokens, up to and including an end token or the last that the matcher allows.

        Leaving the iterator early cancels the request. Raises GenerationFailed.
        """
        request_id = uuid4().hex
        queue: asyncio.Queue[SampledToken | GenerationFailed] = asyncio.Queue()
        self._queues[request_id] = queue
        try:
            self._submit(request_id, prompt, RequestSampler(sampling, prompt, self.device, matcher), max_tokens)
            for _ in range(max_tokens):
                item = await queue.get()
                if isinstance(item, GenerationFailed):
                    raise item
                yield item
                if item.is_last or item.token in self.end_tokens:
                    return
        finally:
            del self._queues[request_id]
            self._withdraw(request_id)

    def _deliver(self, step: Step) -> None:
        """Hands a step from the generation thread to the event loop's, which owns the queues."""
        self._loop.call_soon_threadsafe(self._hand_out, step)

    def _hand_out(self, step: Step) -> None:
        for request_id, sampled in step:
            if request_id in self._queues:
                self._queues[request_id].put_nowait(sampled)
