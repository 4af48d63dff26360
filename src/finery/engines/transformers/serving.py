"""A loaded model as a service: requests in, OpenAI's bodies or server-sent events out."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from finery.engines.transformers.answers import Body, all_choices, all_pieces, usage
from finery.engines.transformers.bodies import ChatShape, CompletionShape, Envelope, Shape
from finery.engines.transformers.generator import BatchGenerator
from finery.engines.transformers.loading import Dtype, Quantization, load_model
from finery.engines.transformers.prompts import Job, ModelLimits, chat_jobs, completion_jobs
from finery.engines.transformers.sampling import GenerationFailed
from finery.engines.transformers.vocabulary import Vocabulary
from finery.engines.transformers.wire import ChatRequest, CompletionRequest, GenerationRequest, server_failure


class Service:
    def __init__(
        self,
        *,
        source: str,
        name: str,
        dtype: Dtype,
        quantization: Quantization | None,
        max_context: int | None,
        kv_blocks: int | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Loads the model, which takes seconds to minutes. Raises what load_model raises."""
        loaded = load_model(source, dtype=dtype, quantization=quantization)
        self.name = name
        self.device = loaded.device.type
        self._tokenizer = loaded.tokenizer
        self._vocabulary = Vocabulary(loaded.tokenizer)
        self._generator = BatchGenerator(loaded, max_context=max_context, kv_blocks=kv_blocks, loop=loop)
        self._limits = ModelLimits(
            context=self._generator.context,
            vocabulary=loaded.model.get_input_embeddings().num_embeddings,
            defaults=loaded.model.generation_config,
        )
        self._generator.start()

    @property
    def context(self) -> int:
        return self._limits.context

    @property
    def active(self) -> int:
        return self._generator.active

    def is_running(self) -> bool:
        return self._generator.is_running()

    def stop(self, *, timeout: float) -> None:
        self._generator.stop(timeout=timeout)

    def chat(self, request: ChatRequest) -> "Answer":
        """Raises RequestRefused."""
        jobs = chat_jobs(request, self._tokenizer, self._limits)
        return self._answer(request, jobs, ChatShape(self._vocabulary))

    def completion(self, request: CompletionRequest) -> "Answer":
        """Raises RequestRefused."""
        jobs = completion_jobs(request, self._tokenizer, self._limits)
        return self._answer(request, jobs, CompletionShape(self._vocabulary))

    def _answer(self, request: GenerationRequest, jobs: list[Job], shape: Shape) -> "Answer":
        return Answer(
            generator=self._generator,
            vocabulary=self._vocabulary,
            jobs=jobs,
            shape=shape,
            envelope=Envelope(self.name, shape.id_prefix),
            with_usage=request.wants_usage_chunk,
        )


class Answer:
    """Nothing is generated before `whole` or `events` is awaited."""

    def __init__(
        self,
        *,
        generator: BatchGenerator,
        vocabulary: Vocabulary,
        jobs: list[Job],
        shape: Shape,
        envelope: Envelope,
        with_usage: bool,
    ) -> None:
        self._generator = generator
        self._vocabulary = vocabulary
        self._jobs = jobs
        self._shape = shape
        self._envelope = envelope
        self._with_usage = with_usage

    async def whole(self) -> Body:
        """Raises RequestRefused with status 500 when generation has failed."""
        try:
            choices = await all_choices(self._generator, self._vocabulary, self._jobs)
        except GenerationFailed as error:
            raise server_failure(str(error)) from error
        tokens = sum(len(choice.tokens) for choice in choices)
        return self._envelope.wrap(
            self._shape.body_object,
            [self._shape.whole(choice) for choice in choices],
            usage=usage(self._jobs, completion_tokens=tokens),
        )

    async def events(self) -> AsyncGenerator[str]:
        """Server-sent events. A failure after the first one can only be told in the stream."""
        try:
            async with aclosing(self._chunks()) as chunks:
                async for chunk in chunks:
                    yield event(chunk)
        except GenerationFailed as error:
            yield event(server_failure(str(error)).body)
            return
        yield "data: [DONE]\n\n"

    async def _chunks(self) -> AsyncGenerator[Body]:
        # Chunks carry "usage": null only where a chunk with the usage is to come.
        rest: Body = {"usage": None} if self._with_usage else {}
        tokens = 0
        for job in self._jobs:
            if opening := self._shape.opening(job.index):
                yield self._envelope.wrap(self._shape.chunk_object, [opening], **rest)
        async with aclosing(all_pieces(self._generator, self._vocabulary, self._jobs)) as pieces:
            async for piece in pieces:
                tokens += len(piece.tokens)
                yield self._envelope.wrap(self._shape.chunk_object, [self._shape.chunk(piece)], **rest)
        if self._with_usage:
            yield self._envelope.wrap(self._shape.chunk_object, [], usage=usage(self._jobs, completion_tokens=tokens))


def event(body: Body) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"
