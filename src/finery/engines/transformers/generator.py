"""Runs one model under transformers' continuous batching; each request is an async iterator of tokens."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any
from uuid import uuid4

import torch
from transformers import GenerationConfig, LogitsProcessorList, PreTrainedModel
from transformers.generation.configuration_utils import ContinuousBatchingConfig
from transformers.generation.continuous_batching import ContinuousBatchingManager
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessorList
from transformers.generation.continuous_batching.continuous_api import OutputRouter
from transformers.generation.continuous_batching.requests import GenerationOutput

from finery.contracts.chat_prompts import end_tokens
from finery.contracts.model_folder import context_length, dimensions
from finery.engines.transformers.loading import LoadedModel, ModelNotLoadable
from finery.engines.transformers.sampling import (
    GenerationFailed,
    Matcher,
    PerRequestSampler,
    RequestSampler,
    SampledToken,
    Sampling,
    Step,
)

PAGE_TOKENS = 256
MAX_REQUESTS_PER_BATCH = 64
# On a CPU the attention mask of a step is batch tokens x cache tokens, so the prefill goes in small portions.
MAX_BATCH_TOKENS = {"cpu": 512, "cuda": 2048}
CPU_CACHE_BYTES = 2 * 1024**3
CUDA_CACHE_SHARE = 0.5
CONTEXTS_IN_CACHE = 8
FALLBACK_CONTEXT = 2048


class GenerationStopped(GenerationFailed):
    """The generation thread has ended; this process generates nothing any more."""


class BatchGenerator:
    """Generates tokens for many requests at once. May be made on any thread; `stream` runs on the given loop only."""

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        max_context: int | None,
        cache_bytes: int | None = None,
        kv_blocks: int | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        model = loaded.model
        longest = context_length(_text_settings(model)) or FALLBACK_CONTEXT
        context = max_context or longest
        blocks = kv_blocks or default_kv_blocks(model, loaded.device, context=context, limit=cache_bytes)
        self.context = min(context, longest, blocks * PAGE_TOKENS)
        self.device = loaded.device
        self.end_tokens = end_tokens(loaded.model.generation_config.eos_token_id, loaded.tokenizer.eos_token_id)
        self._loop = loop
        self._queues: dict[str, asyncio.Queue[SampledToken | GenerationFailed]] = {}
        self._sampler = PerRequestSampler(self._deliver)
        self._failures = FailureRouter(self._deliver)
        self._manager = self._make_manager(model, blocks)

    def start(self) -> None:
        self._manager.start()

    def is_running(self) -> bool:
        return self._manager.is_running()

    @property
    def active(self) -> int:
        """The number of choices that are being generated or wait for room in the batch."""
        return len(self._queues)

    def stop(self, *, timeout: float) -> None:
        self._failures.is_stopping = True
        self._manager.stop(block=True, timeout=timeout, hard_stop=True)

    async def stream(
        self, prompt: list[int], sampling: Sampling, *, max_tokens: int, matcher: Matcher | None = None
    ) -> AsyncGenerator[SampledToken]:
        """Yields at most `max_tokens` tokens, up to and including an end token or the last that the matcher allows.

        Leaving the iterator early cancels the request. Raises GenerationFailed.
        """
        request_id = uuid4().hex
        queue: asyncio.Queue[SampledToken | GenerationFailed] = asyncio.Queue()
        self._queues[request_id] = queue
        self._sampler.add(request_id, RequestSampler(sampling, prompt, self.device, matcher))
        try:
            accepted = self._manager.add_request(
                prompt, request_id=request_id, max_new_tokens=max_tokens, eos_token_id=sorted(self.end_tokens)
            )
            if accepted is None:
                raise GenerationStopped("The generation thread has stopped.")
            for _ in range(max_tokens):
                item = await queue.get()
                if isinstance(item, GenerationFailed):
                    raise item
                yield item
                if item.is_last or item.token in self.end_tokens:
                    return
        finally:
            del self._queues[request_id]
            self._sampler.remove(request_id)
            self._manager.cancel_request(request_id)

    def _make_manager(self, model: PreTrainedModel, blocks: int) -> ContinuousBatchingManager:
        manager: ContinuousBatchingManager = model.init_continuous_batching(
            generation_config=GenerationConfig(do_sample=False, eos_token_id=sorted(self.end_tokens) or -1),
            continuous_batching_config=ContinuousBatchingConfig(
                page_size=PAGE_TOKENS,
                num_blocks=blocks,
                max_batch_tokens=MAX_BATCH_TOKENS[self.device.type],
                max_requests_per_batch=MAX_REQUESTS_PER_BATCH,
                use_async_batching=False,
                use_cuda_graph=False,
            ),
        )
        processors = ContinuousBatchingLogitsProcessorList(LogitsProcessorList([self._sampler]))
        # The list counts the rows that it must reserve only when it converts built-in processors itself.
        processors.tensors_required = 1
        manager.logit_processor = processors
        manager.output_router = self._failures
        return manager

    def _deliver(self, step: Step) -> None:
        """Hands a step from the generation thread to the event loop's, which owns the queues."""
        self._loop.call_soon_threadsafe(self._hand_out, step)

    def _hand_out(self, step: Step) -> None:
        for request_id, sampled in step:
            if request_id in self._queues:
                self._queues[request_id].put_nowait(sampled)


class FailureRouter(OutputRouter):
    """Passes on failures alone: tokens come from the sampler, and the original router would keep every finished output
    in a queue that nobody reads."""

    def __init__(self, deliver: Callable[[Step], None]) -> None:
        super().__init__()
        self._deliver = deliver
        self.is_stopping = False

    def deliver(self, output: GenerationOutput) -> None:
        if output.error is not None:
            reason = "The engine is shutting down." if self.is_stopping else output.error
            self._deliver([(output.request_id, GenerationStopped(reason))])

    def deliver_batch(self, outputs: list[GenerationOutput]) -> None:
        for output in outputs:
            self.deliver(output)


def default_kv_blocks(model: PreTrainedModel, device: torch.device, *, context: int, limit: int | None = None) -> int:
    """Returns blocks of PAGE_TOKENS for several whole contexts, or for a bounded share of the memory if that is less.

    Left to itself, transformers takes more than half of the machine's memory. Raises ModelNotLoadable.
    """
    on_cuda = device.type == "cuda"
    memory = int(torch.cuda.mem_get_info(device)[0] * CUDA_CACHE_SHARE) if on_cuda else CPU_CACHE_BYTES
    memory = memory if limit is None else min(memory, limit)
    sizes = dimensions(_text_settings(model))
    if sizes is None:
        raise ModelNotLoadable("The model's configuration does not say how many layers and heads it has.")
    affordable = memory // (PAGE_TOKENS * sizes.cache_bytes_per_token(model.dtype.itemsize))
    wanted = CONTEXTS_IN_CACHE * -(-context // PAGE_TOKENS)
    if affordable < 1:
        raise ModelNotLoadable(f"The memory left beside the model ({memory} bytes for the cache) holds no context.")
    return int(min(wanted, affordable))


def _text_settings(model: PreTrainedModel) -> dict[str, Any]:
    """Returns the configuration with the common names beside an architecture's own: GPT-2 says `n_head`."""
    config = model.config.get_text_config()
    settings: dict[str, Any] = config.to_dict()
    return settings | {name: settings[own] for name, own in config.attribute_map.items() if own in settings}
