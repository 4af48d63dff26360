"""From generated tokens to OpenAI's bodies, whole or in chunks; both are made from the same pieces."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from finery.engines.transformers.prompts import Job
from finery.engines.transformers.sampling import SampledToken, Sampling
from finery.engines.transformers.text import Detokenizer, StopMatcher
from finery.engines.transformers.vocabulary import Vocabulary

FinishReason = Literal["stop", "length"]
Body = dict[str, Any]


class TokenSource(Protocol):
    @property
    def end_tokens(self) -> frozenset[int]: ...

    def stream(self, prompt: list[int], sampling: Sampling, *, max_tokens: int) -> AsyncGenerator[SampledToken]:
        """As BatchGenerator.stream."""
        ...


@dataclass
class Piece:
    """Some text of one choice, with the tokens since the piece before. The last one has a finish reason."""

    index: int
    text: str
    tokens: list[SampledToken]
    finish_reason: FinishReason | None = None


@dataclass
class Choice:
    index: int
    text: str = ""
    tokens: list[SampledToken] = field(default_factory=list)
    finish_reason: FinishReason | None = None

    def add(self, piece: Piece) -> None:
        self.text += piece.text
        self.tokens += piece.tokens
        self.finish_reason = piece.finish_reason


async def choice_pieces(source: TokenSource, vocabulary: Vocabulary, job: Job) -> AsyncGenerator[Piece]:
    detokenizer, matcher = Detokenizer(vocabulary.decode), StopMatcher(job.stops)
    waiting: list[SampledToken] = []
    reason: FinishReason = "length"
    stream = source.stream(job.prompt, job.sampling, max_tokens=job.max_tokens)
    try:
        async for sampled in stream:
            waiting.append(sampled)
            if sampled.token in source.end_tokens:
                reason = "stop"
                break
            text = matcher.push(detokenizer.push(sampled.token))
            if matcher.stopped:
                yield Piece(job.index, text, waiting, "stop")
                return
            if text:
                yield Piece(job.index, text, waiting)
                waiting = []
    finally:
        # A generator that is left early is only closed when collected; the request behind it must end now.
        await stream.aclose()
    text = matcher.push(detokenizer.flush())
    if matcher.stopped:
        reason = "stop"
    yield Piece(job.index, text + matcher.flush(), waiting, reason)


async def all_pieces(source: TokenSource, vocabulary: Vocabulary, jobs: list[Job]) -> AsyncGenerator[Piece]:
    """The pieces of all choices, as they come. Leaving early cancels what is still being generated."""
    queue: asyncio.Queue[Piece | None] = asyncio.Queue()

    async def follow(job: Job) -> None:
        try:
            async for piece in choice_pieces(source, vocabulary, job):
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


async def all_choices(source: TokenSource, vocabulary: Vocabulary, jobs: list[Job]) -> list[Choice]:
    choices = {job.index: Choice(job.index) for job in jobs}
    async for piece in all_pieces(source, vocabulary, jobs):
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
