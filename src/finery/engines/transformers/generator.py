"""Runs one model under transformers' continuous batching, which computes all requests in one growing batch."""

import asyncio
from collections.abc import Callable

from transformers import GenerationConfig, LogitsProcessorList, PreTrainedModel
from transformers.generation.configuration_utils import ContinuousBatchingConfig
from transformers.generation.continuous_batching import ContinuousBatchingManager
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessorList
from transformers.generation.continuous_batching.continuous_api import OutputRouter
from transformers.generation.continuous_batching.requests import GenerationOutput

from finery.engines.transformers.cache_size import PAGE_TOKENS, CacheSize
from finery.engines.transformers.generation import GenerationStopped, TokenGenerator
from finery.engines.transformers.loading import LoadedModel
from finery.engines.transformers.sampling import PerRequestSampler, RequestSampler, Step

MAX_REQUESTS_PER_BATCH = 64
# On a CPU the attention mask of a step is batch tokens x cache tokens, so the prefill goes in small portions.
MAX_BATCH_TOKENS = {"cpu": 512, "cuda": 2048}


class BatchGenerator(TokenGenerator):
    def __init__(self, loaded: LoadedModel, size: CacheSize, *, loop: asyncio.AbstractEventLoop) -> None:
        """Raises ValueError for a kind of layer that continuous batching has no cache for, or computes otherwise."""
        # Its attention passes over the cap, which shows too little beside the roundings of bf16 to be found by asking.
        if loaded.model.config.get_text_config().to_dict().get("attn_logit_softcapping") is not None:
            raise ValueError("paged attention leaves out the cap on its scores (attn_logit_softcapping)")
        super().__init__(loaded, context=size.context, loop=loop)
        self._sampler = PerRequestSampler(self._deliver)
        self._failures = FailureRouter(self._deliver)
        self._manager = self._make_manager(loaded.model, size.blocks)

    def start(self) -> None:
        self._manager.start()

    def is_running(self) -> bool:
        return self._manager.is_running()

    def stop(self, *, timeout: float) -> None:
        self._failures.is_stopping = True
        self._manager.stop(block=True, timeout=timeout, hard_stop=True)

    def _submit(self, request_id: str, prompt: list[int], sampler: RequestSampler, max_tokens: int) -> None:
        self._sampler.add(request_id, sampler)
        accepted = self._manager.add_request(
            prompt, request_id=request_id, max_new_tokens=max_tokens, eos_token_id=sorted(self.end_tokens)
        )
        if accepted is None:
            error = self._manager.background_thread_status.fatal_error
            raise GenerationStopped("The generation thread has stopped." if error is None else str(error))

    def _withdraw(self, request_id: str) -> None:
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
