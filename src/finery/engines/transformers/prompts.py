"""Turns requests into jobs for the generator: token ids and sampling settings, checked against the model's limits."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from jinja2 import TemplateError
from transformers import GenerationConfig, PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

from finery.contracts.chat_prompts import OTHER_TEMPLATE, ChatPrompts, NotRenderable, TemplateOutOfBounds, bounded
from finery.engines.transformers.chat_messages import messages_of, tools_of
from finery.engines.transformers.renderer import CPU_SECONDS, MEMORY_BYTES
from finery.engines.transformers.renderer_pool import RendererPool, render_request
from finery.engines.transformers.sampling import Sampling
from finery.engines.wire import (
    ChatRequest,
    CompletionRequest,
    GenerationRequest,
    RequestRefused,
    check_combinations,
    check_completion,
)

Result = TypeVar("Result")
COMPLETION_TOKENS = 16
"""OpenAI's default of `max_tokens` for completions."""
SHORT = 50_000
"""Characters or tokens of a prompt that is tokenized in some hundredths of a second."""
MAX_CHOICES = 2048


@dataclass(frozen=True, kw_only=True)
class Job:
    """One choice to generate. Of the choices of one prompt, only the first counts its tokens into the usage."""

    index: int
    prompt: list[int]
    sampling: Sampling
    max_tokens: int
    stops: list[str]
    counts_prompt: bool
    text: str | None = None
    """The prompt as it was sent, where that was a text."""


@dataclass(frozen=True)
class ModelLimits:
    context: int
    vocabulary: int
    defaults: GenerationConfig


async def chat_jobs(
    request: ChatRequest, tokenizer: PreTrainedTokenizerBase, limits: ModelLimits, renderers: RendererPool
) -> list[Job]:
    """Returns a job for each choice of a chat. Raises RequestRefused."""
    check_combinations(request)
    prompt = await render_chat(request, tokenizer, renderers)
    logprobs = (request.top_logprobs or 0) if request.logprobs else None
    max_tokens = request.max_completion_tokens or request.max_tokens or limits.context
    return list(jobs_for(request, [prompt], logprobs=logprobs, max_tokens=max_tokens, limits=limits, param="messages"))


async def completion_jobs(
    request: CompletionRequest, tokenizer: PreTrainedTokenizerBase, limits: ModelLimits
) -> list[Job]:
    """Returns a job for each choice of each prompt. Raises RequestRefused."""
    check_completion(request)
    prompts = await off_event_loop(
        len(request.prompt), partial(tokenize_prompts, request.prompt, tokenizer, vocabulary=limits.vocabulary)
    )
    max_tokens = COMPLETION_TOKENS if request.max_tokens is None else request.max_tokens
    jobs = jobs_for(request, prompts, logprobs=request.logprobs, max_tokens=max_tokens, limits=limits, param="prompt")
    if not request.echo:
        return list(jobs)
    sent = [request.prompt] if isinstance(request.prompt, str) else request.prompt
    texts = [prompt if isinstance(prompt, str) else None for prompt in sent]
    return [replace(job, text=texts[job.index]) for job in jobs]


def prompts_of(tokenizer: PreTrainedTokenizerBase) -> ChatPrompts:
    """Returns prompts that render in this process, for programs that serve nobody; a server has its RendererPool."""
    render = bounded(render_jinja_template, memory_bytes=MEMORY_BYTES, cpu_seconds=CPU_SECONDS)
    return ChatPrompts(tokenizer, render, template_error=TemplateError)


async def render_chat(request: ChatRequest, tokenizer: PreTrainedTokenizerBase, renderers: RendererPool) -> list[int]:
    """Returns the tokens of a chat's prompt. Raises RequestRefused."""
    messages, tools = messages_of(request), tools_of(request)
    try:
        text = await renderers.text(render_request(tokenizer, messages, tools, prompt=True))
    except TemplateOutOfBounds as error:
        raise RequestRefused(f"For this model, {error}; {OTHER_TEMPLATE} for it", param="model") from error
    except NotRenderable as error:
        raise RequestRefused(f"For this model, {error}", param="messages") from error
    return await off_event_loop(len(text), partial(prompts_of(tokenizer).ids, text))


async def off_event_loop(length: int, work: Callable[[], Result]) -> Result:
    """Runs the work on a thread where `length` says that the loop, and all other requests, would wait too long."""
    return work() if length <= SHORT else await asyncio.to_thread(work)


def tokenize_prompts(
    prompt: str | list[str] | list[int] | list[list[int]], tokenizer: PreTrainedTokenizerBase, *, vocabulary: int
) -> list[list[int]]:
    items = [prompt] if isinstance(prompt, str) or all(isinstance(item, int) for item in prompt) else prompt
    return [_tokenize_prompt(item, tokenizer, vocabulary=vocabulary) for item in items]


def _tokenize_prompt(prompt: object, tokenizer: PreTrainedTokenizerBase, *, vocabulary: int) -> list[int]:
    if isinstance(prompt, str):
        return prompts_of(tokenizer).plain(prompt)
    tokens = [token for token in prompt if isinstance(token, int)] if isinstance(prompt, list) else []
    foreign = next((token for token in tokens if token >= vocabulary), None)
    if foreign is not None:
        raise RequestRefused(f"The model has no token {foreign}.", param="prompt")
    return tokens


def jobs_for(
    request: GenerationRequest,
    prompts: list[list[int]],
    *,
    logprobs: int | None,
    max_tokens: int,
    limits: ModelLimits,
    param: str,
) -> Iterator[Job]:
    """Yields n jobs for each prompt. With a seed, each choice has its own, the same at every repetition."""
    choices = request.n or 1
    if choices * len(prompts) > MAX_CHOICES:
        raise RequestRefused(f"A request makes at most {MAX_CHOICES} choices in all.", param="n")
    for number, prompt in enumerate(prompts):
        check_prompt(prompt, context=limits.context, answer=min(1, max_tokens), param=param)
        for choice in range(choices):
            index = number * choices + choice
            yield Job(
                index=index,
                prompt=prompt,
                sampling=sampling_of(request, limits.defaults, choice=index, logprobs=logprobs),
                max_tokens=min(max_tokens, limits.context - len(prompt)),
                stops=request.stop_strings,
                counts_prompt=choice == 0,
            )


def check_prompt(prompt: list[int], *, context: int, answer: int, param: str) -> None:
    """Raises RequestRefused for a prompt beside which the context has no room for `answer` tokens."""
    if not prompt:
        raise RequestRefused("The prompt holds no token.", param=param)
    if len(prompt) + answer > context:
        raise RequestRefused(
            f"The prompt is {len(prompt)} tokens long; this model's context is {context} tokens, answer included.",
            param=param,
            code="context_length_exceeded",
        )


def sampling_of(
    request: GenerationRequest, defaults: GenerationConfig, *, choice: int, logprobs: int | None
) -> Sampling:
    return Sampling(
        temperature=first_set(request.temperature, defaults.temperature, 1.0),
        top_p=first_set(request.top_p, defaults.top_p, 1.0),
        top_k=int(first_set(request.top_k, defaults.top_k, 0)),
        repetition_penalty=first_set(request.repetition_penalty, defaults.repetition_penalty, 1.0),
        presence_penalty=request.presence_penalty or 0.0,
        frequency_penalty=request.frequency_penalty or 0.0,
        seed=None if request.seed is None else seed_of(request.seed, choice),
        logprobs=logprobs,
    )


def seed_of(seed: int, choice: int) -> int:
    """Returns the seed of one choice. It is a hash, so that choice 1 of a seed is not choice 0 of the next one."""
    digest = hashlib.blake2b(f"{seed} {choice}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def first_set(*values: float | None) -> float:
    return next(value for value in values if value is not None)
