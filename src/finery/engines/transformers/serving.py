"""A loaded model as a service: requests in, OpenAI's bodies or server-sent events out."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from finery.engines.transformers.answers import Body, all_choices, all_pieces, usage
from finery.engines.transformers.generator import BatchGenerator
from finery.engines.transformers.grammars import Grammars
from finery.engines.transformers.loading import Dtype, Quantization, load_model
from finery.engines.transformers.output_constraints import ConstraintReader, OutputConstraints
from finery.engines.transformers.prompts import Job, ModelLimits, chat_jobs, completion_jobs
from finery.engines.transformers.renderers import PromptsApart, Renderers
from finery.engines.transformers.response_bodies import BodyFormat, ChatBodyFormat, CompletionBodyFormat, Envelope
from finery.engines.transformers.sampling import GenerationFailed
from finery.engines.transformers.vocabulary import Vocabulary
from finery.engines.wire import ChatRequest, CompletionRequest, GenerationRequest, server_failure


class Service:
    def __init__(
        self,
        *,
        source: str,
        name: str,
        dtype: Dtype,
        quantization: Quantization | None,
        chat_template: str | None,
        max_context: int | None,
        cache_bytes: int | None,
        kv_blocks: int | None,
        renderers: Renderers,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Loads the model, which takes seconds to minutes. Raises what load_model raises."""
        loaded = load_model(source, dtype=dtype, quantization=quantization, chat_template=chat_template)
        self.name = name
        self.device = loaded.device.type
        self._tokenizer = loaded.tokenizer
        self._renderers = renderers
        self._vocabulary = Vocabulary(loaded.tokenizer)
        self._generator = BatchGenerator(
            loaded, max_context=max_context, cache_bytes=cache_bytes, kv_blocks=kv_blocks, loop=loop
        )
        self._limits = ModelLimits(
            context=self._generator.context,
            vocabulary=loaded.model.get_input_embeddings().num_embeddings,
            defaults=loaded.model.generation_config,
        )
        grammars = Grammars(
            loaded.tokenizer, vocabulary=self._limits.vocabulary, end_tokens=sorted(self._generator.end_tokens)
        )
        self._constraints = ConstraintReader(
            loaded.tokenizer, grammars, PromptsApart(loaded.tokenizer, renderers, loop)
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

    async def chat(self, request: ChatRequest) -> "Answer":
        """Raises RequestRefused."""
        constraints = await self._demands_of(request, demanding=bool(request.offered_tools))
        jobs = await chat_jobs(request, self._tokenizer, self._limits, self._renderers)
        return self._answer(request, jobs, constraints, ChatBodyFormat(self._vocabulary))

    async def completion(self, request: CompletionRequest) -> "Answer":
        """Raises RequestRefused."""
        constraints = await self._demands_of(request, demanding=False)
        jobs = await completion_jobs(request, self._tokenizer, self._limits)
        return self._answer(request, jobs, constraints, CompletionBodyFormat(self._vocabulary))

    async def _demands_of(self, request: GenerationRequest, *, demanding: bool) -> OutputConstraints:
        if request.response_format is None and not demanding:
            return OutputConstraints()
        # Other requests' tokens are handed out on this thread in the meantime.
        return await asyncio.to_thread(self._constraints.read, request)

    def _answer(
        self, request: GenerationRequest, jobs: list[Job], constraints: OutputConstraints, shape: BodyFormat
    ) -> "Answer":
        return Answer(
            generator=self._generator,
            vocabulary=self._vocabulary,
            jobs=jobs,
            constraints=constraints,
            shape=shape,
            envelope=Envelope(request.model or self.name, shape.id_prefix),
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
        constraints: OutputConstraints,
        shape: BodyFormat,
        envelope: Envelope,
        with_usage: bool,
    ) -> None:
        self._generator = generator
        self._vocabulary = vocabulary
        self._jobs = jobs
        self._constraints = constraints
        self._shape = shape
        self._envelope = envelope
        self._with_usage = with_usage

    async def whole(self) -> Body:
        """Raises RequestRefused with status 500 when generation has failed."""
        try:
            choices = await all_choices(self._generator, self._vocabulary, self._jobs, self._constraints)
        except GenerationFailed as error:
            raise server_failure(str(error)) from error
        generated = sum(choice.generated for choice in choices)
        return self._envelope.wrap(
            self._shape.body_object,
            [self._shape.whole(choice) for choice in choices],
            usage=usage(self._jobs, completion_tokens=generated),
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
        generated = 0
        for job in self._jobs:
            if opening := self._shape.opening(job.index):
                yield self._envelope.wrap(self._shape.chunk_object, [opening], **rest)
        made = all_pieces(self._generator, self._vocabulary, self._jobs, self._constraints)
        async with aclosing(made) as pieces:
            async for piece in pieces:
                generated += piece.generated
                yield self._envelope.wrap(self._shape.chunk_object, [self._shape.chunk(piece)], **rest)
        if self._with_usage:
            used = usage(self._jobs, completion_tokens=generated)
            yield self._envelope.wrap(self._shape.chunk_object, [], usage=used)


def event(body: Body) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"
