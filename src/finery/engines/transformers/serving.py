"""Serves a loaded model: takes chat and completion requests, returns OpenAI's bodies or server-sent events."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from finery.engines.base import Dtype, Quantization
from finery.engines.transformers.answers import Body, all_choices, all_pieces, usage
from finery.engines.transformers.cache_size import CacheSize
from finery.engines.transformers.echoes import EchoAnswer, check_echo
from finery.engines.transformers.generation import TokenGenerator
from finery.engines.transformers.grammars import Grammars
from finery.engines.transformers.loading import load_model
from finery.engines.transformers.output_constraints import ConstraintReader, OutputConstraints
from finery.engines.transformers.prompts import Job, ModelLimits, chat_jobs, completion_jobs
from finery.engines.transformers.renderer_pool import PooledChatPrompts, RendererPool
from finery.engines.transformers.response_bodies import BodyFormat, ChatBodyFormat, CompletionBodyFormat, Envelope
from finery.engines.transformers.sampling import GenerationFailed
from finery.engines.transformers.starting import start_generator
from finery.engines.transformers.vocabulary import Vocabulary
from finery.engines.wire import ChatRequest, CompletionRequest, GenerationRequest, event, server_failure


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
        renderers: RendererPool,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Loads the model, which takes seconds to minutes, and starts its generation. Not for the loop's thread.

        Raises as load_model and start_generator do.
        """
        loaded = load_model(source, dtype=dtype, quantization=quantization, chat_template=chat_template)
        self.name = name
        self.device = loaded.device.type
        self._tokenizer = loaded.tokenizer
        self._renderers = renderers
        self._vocabulary = Vocabulary(loaded.tokenizer)
        size = CacheSize.for_model(loaded, max_context=max_context, cache_bytes=cache_bytes, kv_blocks=kv_blocks)
        self.generation, self._generator, self._scorer = start_generator(loaded, size, loop=loop)
        self._limits = ModelLimits(
            context=self._generator.context,
            vocabulary=loaded.model.get_input_embeddings().num_embeddings,
            defaults=loaded.defaults,
        )
        grammars = Grammars(
            loaded.tokenizer, vocabulary=self._limits.vocabulary, end_tokens=sorted(self._generator.end_tokens)
        )
        self._constraints = ConstraintReader(
            loaded.tokenizer, grammars, PooledChatPrompts(loaded.tokenizer, renderers, loop)
        )

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
        """Prepares the answer to a chat. Raises RequestRefused."""
        constraints = await self._output_constraints(request, has_tools=bool(request.offered_tools))
        jobs = await chat_jobs(request, self._tokenizer, self._limits, self._renderers)
        return self._answer(
            request, jobs, constraints, ChatBodyFormat(self._vocabulary, has_functions=request.has_functions)
        )

    async def completion(self, request: CompletionRequest) -> "Answer | EchoAnswer":
        """Prepares the answer to a completion request. Raises RequestRefused."""
        constraints = await self._output_constraints(request, has_tools=False)
        jobs = await completion_jobs(request, self._tokenizer, self._limits)
        if request.echo:
            return self._echo(request, jobs)
        return self._answer(request, jobs, constraints, CompletionBodyFormat(self._vocabulary))

    async def _output_constraints(self, request: GenerationRequest, *, has_tools: bool) -> OutputConstraints:
        if request.response_format is None and not has_tools:
            return OutputConstraints()
        # Compiling a grammar may take a second, and the loop has the tokens of other requests to hand out.
        return await asyncio.to_thread(self._constraints.read, request)

    def _echo(self, request: CompletionRequest, jobs: list[Job]) -> EchoAnswer:
        return EchoAnswer(
            scorer=check_echo(request, jobs, self._scorer),
            vocabulary=self._vocabulary,
            jobs=jobs,
            end_tokens=self._generator.end_tokens,
            envelope=Envelope(request.model or self.name, CompletionBodyFormat.id_prefix),
            with_usage=request.wants_usage_chunk,
        )

    def _answer(
        self, request: GenerationRequest, jobs: list[Job], constraints: OutputConstraints, body_format: BodyFormat
    ) -> "Answer":
        return Answer(
            generator=self._generator,
            vocabulary=self._vocabulary,
            jobs=jobs,
            constraints=constraints,
            body_format=body_format,
            envelope=Envelope(request.model or self.name, body_format.id_prefix),
            with_usage=request.wants_usage_chunk,
        )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A prepared answer. Nothing is generated before `whole` or `events` is awaited."""

    generator: TokenGenerator
    vocabulary: Vocabulary
    jobs: list[Job]
    constraints: OutputConstraints
    body_format: BodyFormat
    envelope: Envelope
    with_usage: bool

    async def whole(self) -> Body:
        """Returns the body. Raises RequestRefused with status 500 when generation has failed."""
        try:
            choices = await all_choices(self.generator, self.vocabulary, self.jobs, self.constraints)
        except GenerationFailed as error:
            raise server_failure(str(error)) from error
        generated = sum(choice.generated for choice in choices)
        return self.envelope.wrap(
            self.body_format.body_object,
            [self.body_format.whole(choice) for choice in choices],
            usage=usage(self.jobs, completion_tokens=generated),
        )

    async def events(self) -> AsyncGenerator[str]:
        """Yields server-sent events. The status is sent by then, so that a failure becomes an event of the stream."""
        try:
            async with aclosing(self._chunks()) as chunks:
                async for chunk in chunks:
                    yield event(chunk)
        except GenerationFailed as error:
            yield event(server_failure(str(error)).body)
            return
        yield "data: [DONE]\n\n"

    async def _chunks(self) -> AsyncGenerator[Body]:
        # As OpenAI has it, chunks carry "usage": null only where a last chunk with the usage is to come.
        rest: Body = {"usage": None} if self.with_usage else {}
        generated = 0
        for job in self.jobs:
            if opening := self.body_format.opening(job.index):
                yield self.envelope.wrap(self.body_format.chunk_object, [opening], **rest)
        stream = all_pieces(self.generator, self.vocabulary, self.jobs, self.constraints)
        async with aclosing(stream) as pieces:
            async for piece in pieces:
                generated += piece.generated
                yield self.envelope.wrap(self.body_format.chunk_object, [self.body_format.chunk(piece)], **rest)
        if self.with_usage:
            used = usage(self.jobs, completion_tokens=generated)
            yield self.envelope.wrap(self.body_format.chunk_object, [], usage=used)
