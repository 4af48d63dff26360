"""One model under transformers' continuous batching, as an async iterator of tokens for each request."""

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
    """The generation thread is gone; nothing will be generated in this process any more."""


class BatchGenerator:
    """Made and started on the event loop's thread or another; `stream` runs on the given event loop alone."""

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
        context = max_context or model_context(model)
        blocks = kv_blocks or default_kv_blocks(model, loaded.device, context=context, most=cache_bytes)
        self.context = min(max_context or model_context(model), model_context(model), blocks * PAGE_TOKENS)
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
        """Choices being generated or waiting for room."""
        return len(self._queues)

    def stop(self, *, timeout: float) -> None:
        self._failures.is_stopping = True
        self._manager.stop(block=True, timeout=timeout, hard_stop=True)

    async def stream(
        self, prompt: list[int], sampling: Sampling, *, max_tokens: int, matcher: Matcher | None = None
    ) -> AsyncGenerator[SampledToken]:
        """The tokens up to and including an end token, or the last one that the matcher allows, at most max_tokens.
        Leaving the iterator early cancels the request. Raises GenerationFailed."""
        request_id = uuid4().hex
        queue: asyncio.Queue[SampledToken | GenerationFailed] = asyncio.Queue()
        self._queues[request_id] = queue
        self._sampler.add(request_id, RequestSampler(sampling, prompt, self.device, matcher))
        try:
            self._submit(request_id, prompt, max_tokens)
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

    def _submit(self, request_id: str, prompt: list[int], max_tokens: int) -> None:
        accepted = self._manager.add_request(
            prompt, request_id=request_id, max_new_tokens=max_tokens, eos_token_id=sorted(self.end_tokens)
        )
        if accepted is None:
            raise GenerationStopped("The generation thread has stopped.")

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
        # Only the list's own conversion of built-in processors counts the rows that it has to reserve.
        processors.tensors_required = 1
        manager.logit_processor = processors
        manager.output_router = self._failures
        return manager

    def _deliver(self, step: Step) -> None:
        self._loop.call_soon_threadsafe(self._hand_out, step)

    def _hand_out(self, step: Step) -> None:
        for request_id, sampled in step:
            if request_id in self._queues:
                self._queues[request_id].put_nowait(sampled)


class FailureRouter(OutputRouter):
    """Tokens come from the sampler; of the batch's own outputs only failures are news. The original router would keep
    every finished output in a queue that nobody reads."""

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


def model_context(model: PreTrainedModel) -> int:
    return context_length(_text_settings(model)) or FALLBACK_CONTEXT


def default_kv_blocks(model: PreTrainedModel, device: torch.device, *, context: int, most: int | None = None) -> int:
    """Room for several whole contexts, as far as a bounded share of the memory goes. Left to itself, transformers
    takes more than half of the machine's memory."""
    on_cuda = device.type == "cuda"
    memory = int(torch.cuda.mem_get_info(device)[0] * CUDA_CACHE_SHARE) if on_cuda else CPU_CACHE_BYTES
    memory = memory if most is None else min(memory, most)
    affordable = memory // (PAGE_TOKENS * kv_bytes_per_token(model))
    wanted = CONTEXTS_IN_CACHE * -(-context // PAGE_TOKENS)
    if affordable < 1:
        raise ModelNotLoadable(f"The memory left beside the model ({memory} bytes for the cache) holds no context.")
    return int(min(wanted, affordable))


def kv_bytes_per_token(model: PreTrainedModel) -> int:
    found = dimensions(_text_settings(model))
    if found is None:
        raise ModelNotLoadable("The model's configuration does not say how many layers and heads it has.")
    return found.cache_bytes_per_token(model.dtype.itemsize)


def _text_settings(model: PreTrainedModel) -> dict[str, Any]:
    """Under the common names, too, where an architecture has its own: GPT-2 says `n_head`."""
    config = model.config.get_text_config()
    settings: dict[str, Any] = config.to_dict()
    return settings | {name: settings[own] for name, own in config.attribute_map.items() if own in settings}
