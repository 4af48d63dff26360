"""From generated tokens to OpenAI's bodies, whole or in chunks; both are made from the same pieces."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from finery.engines.transformers.calls import ToolCall
from finery.engines.transformers.demands import Demands
from finery.engines.transformers.prompts import Job
from finery.engines.transformers.sampling import Matcher, SampledToken, Sampling
from finery.engines.transformers.text import Detokenizer, StopMatcher
from finery.engines.transformers.vocabulary import Vocabulary

FinishReason = Literal["stop", "length", "tool_calls"]
Body = dict[str, Any]


class TokenSource(Protocol):
    @property
    def end_tokens(self) -> frozenset[int]: ...

    def stream(
        self, prompt: list[int], sampling: Sampling, *, max_tokens: int, matcher: Matcher | None = None
    ) -> AsyncGenerator[SampledToken]:
        """As BatchGenerator.stream."""
        ...


@dataclass
class Piece:
    """Some text and calls of one choice, with the tokens since the piece before. The last one has a finish reason."""

    index: int
    text: str
    tokens: list[SampledToken]
    finish_reason: FinishReason | None = None
    calls: list[ToolCall] = field(default_factory=list)


@dataclass
class Choice:
    index: int
    text: str = ""
    tokens: list[SampledToken] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    calls: list[ToolCall] = field(default_factory=list)

    def add(self, piece: Piece) -> None:
        self.text += piece.text
        self.calls += piece.calls
        self.tokens += piece.tokens
        self.finish_reason = piece.finish_reason


class Listener:
    """Makes text and calls of one choice's tokens."""

    def __init__(self, vocabulary: Vocabulary, stops: list[str], demands: Demands) -> None:
        self._detokenizer = Detokenizer(lambda tokens: vocabulary.decode(tokens, kept=demands.marks))
        self._matcher = StopMatcher(stops)
        self._reader = demands.reader()

    @property
    def has_heard_all(self) -> bool:
        return self._matcher.stopped or (self._reader is not None and self._reader.has_enough)

    def push(self, token: int) -> tuple[str, list[ToolCall]]:
        return self._read(self._matcher.push(self._detokenizer.push(token)))

    def flush(self) -> tuple[str, list[ToolCall]]:
        """What is left at the end."""
        left = "" if self._matcher.stopped else self._matcher.push(self._detokenizer.flush())
        text, calls = self._read(left + self._matcher.flush())
        return text + ("" if self._reader is None else self._reader.flush()), calls

    def reason(self, reason: FinishReason) -> FinishReason:
        has_called = self._reader is not None and self._reader.has_called
        if has_called and (reason == "stop" or self.has_heard_all):
            return "tool_calls"
        return "stop" if self.has_heard_all else reason

    def _read(self, text: str) -> tuple[str, list[ToolCall]]:
        return (text, []) if self._reader is None else self._reader.push(text)


async def choice_pieces(
    source: TokenSource, vocabulary: Vocabulary, job: Job, demands: Demands
) -> AsyncGenerator[Piece]:
    listener = Listener(vocabulary, job.stops, demands)
    waiting: list[SampledToken] = []
    reason: FinishReason = "length"
    matcher = None if demands.grammar is None else demands.grammar.begin()
    stream = source.stream(job.prompt, job.sampling, max_tokens=job.max_tokens, matcher=matcher)
    try:
        async for sampled in stream:
            waiting.append(sampled)
            if sampled.token in source.end_tokens:
                reason = "stop"
                break
            text, calls = listener.push(sampled.token)
            if text or calls:
                yield Piece(job.index, text, waiting, calls=calls)
                waiting = []
            if sampled.is_last or listener.has_heard_all:
                reason = "stop"
                break
    finally:
        # A generator that is left early is only closed when collected; the request behind it must end now.
        await stream.aclose()
    text, calls = listener.flush()
    yield Piece(job.index, text, waiting, listener.reason(reason), calls)


async def all_pieces(
    source: TokenSource, vocabulary: Vocabulary, jobs: list[Job], demands: Demands
) -> AsyncGenerator[Piece]:
    """The pieces of all choices, as they come. Leaving early cancels what is still being generated."""
    queue: asyncio.Queue[Piece | None] = asyncio.Queue()

    async def follow(job: Job) -> None:
        try:
            async for piece in choice_pieces(source, vocabulary, job, demands):
                queue.put_nowait(piece)
        finally:
            queue.put_nowait(None)

    tasks = [asyncio.create_task(follow(job)) for job in jobs]
    unfinished = len(tasks)
    try:
        while unfinished:
            piece = await queue.get()
            if piece is None:
                unfinished -= 1
            else:
                yield piece
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def all_choices(source: TokenSource, vocabulary: Vocabulary, jobs: list[Job], demands: Demands) -> list[Choice]:
    choices = {job.index: Choice(job.index) for job in jobs}
    async for piece in all_pieces(source, vocabulary, jobs, demands):
        choices[piece.index].add(piece)
    return list(choices.values())


def usage(jobs: list[Job], *, completion_tokens: int) -> dict[str, int]:
    """Each prompt counts once, however many choices were made from it; end tokens count as generated."""
    prompt_tokens = sum(len(job.prompt) for job in jobs if job.counts_prompt)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
