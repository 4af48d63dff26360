"""Turns generated tokens into text and tool calls: streamed as pieces, or collected into whole choices."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from finery.engines.transformers.output_constraints import OutputConstraints
from finery.engines.transformers.prompts import Job
from finery.engines.transformers.sampling import Matcher, SampledToken, Sampling
from finery.engines.transformers.text import Detokenizer, StopMatcher
from finery.engines.transformers.tool_calls import ToolCall
from finery.engines.transformers.vocabulary import Vocabulary

FinishReason = Literal["stop", "length", "tool_calls"]
Body = dict[str, Any]


class TokenSource(Protocol):
    """What a TokenGenerator offers, and tests imitate."""

    @property
    def end_tokens(self) -> frozenset[int]: ...

    def stream(
        self, prompt: list[int], sampling: Sampling, *, max_tokens: int, matcher: Matcher | None = None
    ) -> AsyncGenerator[SampledToken]:
        """See TokenGenerator.stream."""
        ...


@dataclass
class Piece:
    """The next text and tool calls of one choice. Its last piece has a finish reason."""

    index: int
    text: str = ""
    tokens: list[SampledToken] = field(default_factory=list)
    """The tokens that begin in the text so far and in no earlier piece: none of an end, a stop string or a call."""
    generated: int = 0
    """The number of tokens generated since the previous piece, also those that the text does not show."""
    finish_reason: FinishReason | None = None
    calls: list[ToolCall] = field(default_factory=list)


@dataclass
class Choice(Piece):
    """All pieces of one choice, added up."""

    def add(self, piece: Piece) -> None:
        self.text += piece.text
        self.calls += piece.calls
        self.tokens += piece.tokens
        self.generated += piece.generated
        self.finish_reason = piece.finish_reason


class ChoiceDecoder:
    """Turns the tokens of one choice into text and tool calls, as they come."""

    def __init__(self, vocabulary: Vocabulary, stops: list[str], constraints: OutputConstraints) -> None:
        self._detokenizer = Detokenizer(lambda tokens: vocabulary.decode(tokens, kept=constraints.marks))
        self._vocabulary = vocabulary
        self._call_marks = constraints.marks
        self._matcher = StopMatcher(stops)
        self._reader = constraints.reader()
        self._decoded_length = 0
        self._text_length = 0
        """Characters of the answer up to the first call; until then the answer is the decoded text's beginning."""
        self._pending_tokens: deque[tuple[int, SampledToken]] = deque()
        """Tokens that no piece holds yet, each with the position in the decoded text at which it begins."""

    @property
    def is_complete(self) -> bool:
        return self._matcher.stopped or (self._reader is not None and self._reader.has_enough)

    def push(self, sampled: SampledToken) -> tuple[str, list[ToolCall]]:
        if self._vocabulary.is_shown(sampled.token, kept=self._call_marks):
            self._pending_tokens.append((self._decoded_length, sampled))
        text = self._detokenizer.push(sampled.token)
        self._decoded_length += len(text)
        return self._read(self._matcher.push(text))

    def take_shown(self) -> list[SampledToken]:
        """Returns the tokens that begin in the answer so far and were not returned before."""
        shown = []
        while self._pending_tokens and self._pending_tokens[0][0] < self._text_length:
            shown.append(self._pending_tokens.popleft()[1])
        return shown

    def flush(self) -> tuple[str, list[ToolCall]]:
        """Returns the text and calls that are left after the last token."""
        left = "" if self._matcher.stopped else self._matcher.push(self._detokenizer.flush())
        text, calls = self._read(left + self._matcher.flush())
        if self._reader is None:
            return text, calls
        rest = self._reader.flush()
        self._text_length += 0 if self._has_called else len(rest)
        return text + rest, calls

    def reason(self, reason: FinishReason) -> FinishReason:
        if self._has_called and (reason == "stop" or self.is_complete):
            return "tool_calls"
        return "stop" if self.is_complete else reason

    @property
    def _has_called(self) -> bool:
        return self._reader is not None and self._reader.has_called

    def _read(self, text: str) -> tuple[str, list[ToolCall]]:
        if self._reader is None:
            self._text_length += len(text)
            return text, []
        had_called = self._has_called
        said, calls = self._reader.push(text)
        self._text_length += 0 if had_called else len(said)
        return said, calls


async def choice_pieces(
    source: TokenSource, vocabulary: Vocabulary, job: Job, constraints: OutputConstraints
) -> AsyncGenerator[Piece]:
    decoder = ChoiceDecoder(vocabulary, job.stops, constraints)
    generated = 0
    reason: FinishReason = "length"
    matcher = None if constraints.grammar is None else constraints.grammar.begin()
    stream = source.stream(job.prompt, job.sampling, max_tokens=job.max_tokens, matcher=matcher)
    try:
        async for sampled in stream:
            generated += 1
            if sampled.token in source.end_tokens:
                reason = "stop"
                break
            text, calls = decoder.push(sampled)
            if text or calls:
                yield Piece(job.index, text, decoder.take_shown(), generated, calls=calls)
                generated = 0
            if sampled.is_last or decoder.is_complete:
                reason = "stop"
                break
    finally:
        # A generator that is left early is only closed when collected; the request behind it must end now.
        await stream.aclose()
    text, calls = decoder.flush()
    yield Piece(job.index, text, decoder.take_shown(), generated, decoder.reason(reason), calls)


async def all_pieces(
    source: TokenSource, vocabulary: Vocabulary, jobs: list[Job], constraints: OutputConstraints
) -> AsyncGenerator[Piece]:
    """Yields the pieces of all choices as they come. Leaving early cancels what is still being generated."""
    queue: asyncio.Queue[Piece | None] = asyncio.Queue()

    async def follow(job: Job) -> None:
        try:
            async for piece in choice_pieces(source, vocabulary, job, constraints):
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


async def all_choices(
    source: TokenSource, vocabulary: Vocabulary, jobs: list[Job], constraints: OutputConstraints
) -> list[Choice]:
    """Returns each choice whole, in the order of the jobs."""
    choices = {job.index: Choice(job.index) for job in jobs}
    async for piece in all_pieces(source, vocabulary, jobs, constraints):
        choices[piece.index].add(piece)
    return list(choices.values())


def usage(jobs: list[Job], *, completion_tokens: int) -> dict[str, int]:
    """Returns OpenAI's `usage`: a prompt counts once, however many choices it has; end tokens count as generated."""
    prompt_tokens = sum(len(job.prompt) for job in jobs if job.counts_prompt)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
