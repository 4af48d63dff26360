"""Answers that begin with their prompt (`echo`): its text, and how probable the model holds each of its tokens."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from finery.engines.transformers.answers import Body, usage
from finery.engines.transformers.prompts import Job
from finery.engines.transformers.response_bodies import CompletionBodyFormat, Envelope, best_by_text
from finery.engines.transformers.sampling import GenerationFailed, SampledToken
from finery.engines.transformers.scoring import Scorer
from finery.engines.transformers.text import REPLACEMENT, Detokenizer
from finery.engines.transformers.vocabulary import Vocabulary
from finery.engines.wire import CompletionRequest, RequestRefused, event, server_failure

MOST_TOKENS = 2**17
"""Tokens of all prompts of a request: what a request may cost."""


def check_echo(request: CompletionRequest, jobs: Sequence[Job], scorer: Scorer | None) -> Scorer:
    """Returns the scorer. Raises RequestRefused for what it cannot score."""
    if scorer is None:
        message = "The engine cannot score this model's prompts as a plain forward pass does, so that it has no echo."
        raise RequestRefused(message, param="echo", code="unsupported_parameter")
    if sum(len(job.prompt) for job in jobs) > MOST_TOKENS:
        raise RequestRefused(f"A request with echo has at most {MOST_TOKENS:,} tokens in its prompts.", param="prompt")
    longest = max(len(job.prompt) for job in jobs)
    if scorer.most_tokens is not None and longest > scorer.most_tokens:
        message = f"This model scores prompts of at most {scorer.most_tokens:,} tokens; the longest has {longest:,}."
        raise RequestRefused(message, param="prompt", code="context_length_exceeded")
    return scorer


@dataclass(frozen=True, kw_only=True)
class EchoAnswer:
    """A prepared answer. Nothing is computed before `whole` or `events` is awaited."""

    scorer: Scorer
    vocabulary: Vocabulary
    jobs: list[Job]
    end_tokens: frozenset[int]
    envelope: Envelope
    with_usage: bool

    async def whole(self) -> Body:
        """Returns the body. Raises RequestRefused with status 500 when scoring has failed."""
        try:
            choices = [await self._choice(job) for job in self.jobs]
        except GenerationFailed as error:
            raise server_failure(str(error)) from error
        return self.envelope.wrap(CompletionBodyFormat.body_object, choices, usage=self._usage())

    async def events(self) -> AsyncGenerator[str]:
        """Yields server-sent events, one for each choice. A failure becomes an event of the stream."""
        rest: Body = {"usage": None} if self.with_usage else {}
        kind = CompletionBodyFormat.chunk_object
        try:
            for job in self.jobs:
                yield event(self.envelope.wrap(kind, [await self._choice(job)], **rest))
        except GenerationFailed as error:
            yield event(server_failure(str(error)).body)
            return
        if self.with_usage:
            yield event(self.envelope.wrap(kind, [], usage=self._usage()))
        yield "data: [DONE]\n\n"

    def _usage(self) -> dict[str, int]:
        return usage(self.jobs, completion_tokens=sum(job.max_tokens for job in self.jobs))

    async def _choice(self, job: Job) -> Body:
        tokens = await self.scorer.score(job)
        # Decoding each token of a long prompt takes seconds, and the loop has the tokens of other requests to hand out.
        return await asyncio.to_thread(choice_body, self.vocabulary, job, tokens, self.end_tokens)


def choice_body(
    vocabulary: Vocabulary, job: Job, tokens: list[SampledToken], end_tokens: frozenset[int]
) -> dict[str, object]:
    """Returns a choice. Its logprobs name every token, also those that the text does not show, so that a client can
    tell by their number which are the answer's.
    """
    text, offsets = located(vocabulary, [sampled.token for sampled in tokens], job)
    return {
        "index": job.index,
        "text": text,
        "logprobs": None if job.sampling.logprobs is None else logprobs_body(vocabulary, tokens, offsets),
        "finish_reason": "stop" if job.max_tokens and tokens[-1].token in end_tokens else "length",
    }


def logprobs_body(vocabulary: Vocabulary, tokens: list[SampledToken], offsets: list[int]) -> dict[str, object]:
    """Returns OpenAI's `logprobs`. The first token follows nothing, so that it has no log-probability."""
    return {
        "tokens": [vocabulary.text(sampled.token) for sampled in tokens],
        "token_logprobs": [sampled.logprob for sampled in tokens],
        "top_logprobs": [
            None if sampled.logprob is None else best_by_text(vocabulary, sampled.rivals) for sampled in tokens
        ],
        "text_offset": offsets,
    }


def located(vocabulary: Vocabulary, tokens: list[int], job: Job) -> tuple[str, list[int]]:
    """Returns the answer's text, which begins with the prompt, and where each token begins in it.

    A prompt of token ids is written with its special tokens. One that was sent as a text is that text: what the
    tokenizer has put before it takes no room.
    """
    decoded, offsets = "", []
    detokenizer = Detokenizer(vocabulary.decode_all)
    before = 0 if job.text is None else vocabulary.count_added(job.prompt, job.text)
    for place, token in enumerate(tokens):
        offsets.append(len(decoded))
        is_prompt = place < len(job.prompt)
        if place >= before and (is_prompt or vocabulary.is_shown(token)):
            decoded += detokenizer.push(token)
        if place == len(job.prompt) - 1 and job.text is not None:
            # What the tokenizer does not keep, such as capitals, is still in the text that was sent.
            decoded, offsets = job.text, [min(offset, len(job.text)) for offset in offsets]
            if job.text.endswith(REPLACEMENT):
                # The detokenizer takes it for the beginning of a character, and would give it again.
                detokenizer.flush()
    return decoded + detokenizer.flush(), offsets
