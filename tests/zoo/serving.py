"""A cell's model asked through the engine's routes, one chat at a time and twelve at once, beside bare `generate`."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import torch
from fastapi import FastAPI
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from finery.contracts.chat_prompts import FALLBACK_CHAT_TEMPLATE
from finery.contracts.model_folder import base_of, is_adapter
from finery.engines.transformers.app import EngineState, create_app
from finery.engines.transformers.renderer_pool import RendererPool
from finery.engines.transformers.serving import Service
from finery.engines.transformers.vocabulary import Vocabulary

TOKENS = 8
NOISE = 1e-3
"""The largest difference of two log-probabilities, and the distance at which either of two best tokens is right."""
ALONE, AT_ONCE = 3, 12
QUESTIONS = (
    "Who are you?",
    "What is a finery?",
    "Where is the iron that the smith had in the fire, and who was it that put it there before he went home?",
    *(f"What is {number} of {number + 3}?" for number in range(AT_ONCE - 3)),
)

Said = list[tuple[list[int], float]]
"""Each token's bytes and natural log-probability."""


@dataclass(frozen=True)
class Answers:
    alone: list[Said]
    """The first ALONE questions, each asked when the one before was answered."""
    at_once: list[Said]
    generation: str
    """The way of `GENERATORS` in which they were computed."""


@dataclass(frozen=True)
class Expected:
    said: Said
    ties: list[bool]
    """Whether another token was as good as the one that was said, so that what follows may differ."""


class Engine:
    """Serves models in this process, one after another, as the engine's program does in one of its own."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._renderers = RendererPool()

    def ask(self, folder: Path) -> Answers:
        """Serves a model and asks it. Raises EngineFailed, ModelNotLoadable, and what else stops the engine."""
        return self._runner.run(self._ask(folder))

    async def _ask(self, folder: Path) -> Answers:
        loop = asyncio.get_running_loop()
        service = await asyncio.to_thread(self._load, folder, loop)
        try:
            app = create_app(EngineState(name="zoo", service=service))
            alone = [await self._answer(app, question) for question in QUESTIONS[:ALONE]]
            at_once = await asyncio.gather(*(self._answer(app, question) for question in QUESTIONS))
            return Answers(alone, at_once, service.generation)
        finally:
            await asyncio.to_thread(service.stop, timeout=5.0)

    async def stop(self) -> None:
        await self._renderers.stop()

    def _load(self, folder: Path, loop: asyncio.AbstractEventLoop) -> Service:
        return Service(
            source=str(folder),
            name="zoo",
            dtype="auto",
            quantization=None,
            chat_template=None,
            max_context=None,
            cache_bytes=None,
            kv_blocks=8,
            renderers=self._renderers,
            loop=loop,
        )

    async def _answer(self, app: FastAPI, question: str) -> Said:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://engine", timeout=60) as client:
            body = {"messages": _messages(question), "max_tokens": TOKENS, "temperature": 0, "logprobs": True}
            answer = await client.post("/v1/chat/completions", json=body)
        if answer.status_code != 200:
            raise EngineFailed(answer.text[:500])
        # An answer that ends at once has none.
        logprobs = answer.json()["choices"][0]["logprobs"] or {"content": []}
        return [(entry["bytes"], entry["logprob"]) for entry in logprobs["content"]]


class EngineFailed(Exception):
    """The engine answered with an error, which the message quotes."""


@contextmanager
def engine() -> Iterator[Engine]:
    with asyncio.Runner() as runner:
        made = Engine(runner)
        try:
            yield made
        finally:
            runner.run(made.stop())


def expected(folder: Path) -> list[Expected]:
    """Returns what transformers' own `generate` answers to each question, one at a time."""
    model, tokenizer = load(folder), AutoTokenizer.from_pretrained(folder)
    return [_generate(model, tokenizer, prompt_of(tokenizer, question)) for question in QUESTIONS]


def load(folder: Path) -> PreTrainedModel:
    """Returns the saved model; of an adapter, with its base below it, not merged."""
    if not is_adapter(folder):
        return AutoModelForCausalLM.from_pretrained(folder).eval()
    base = AutoModelForCausalLM.from_pretrained(base_of(folder))
    return PeftModel.from_pretrained(base, str(folder)).eval()


def prompt_of(tokenizer: PreTrainedTokenizerBase, question: str) -> list[int]:
    """Returns a chat's tokens by the tokenizer's own template."""
    ids: list[int] = tokenizer.apply_chat_template(
        _messages(question), add_generation_prompt=True, tokenize=True, return_dict=True
    )["input_ids"]
    starts = (
        tokenizer.chat_template == FALLBACK_CHAT_TEMPLATE and tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
    )
    return [tokenizer.bos_token_id, *ids] if starts else ids


@torch.no_grad()
def _generate(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt: list[int]) -> Expected:
    asked = torch.tensor([prompt])
    made = model.generate(
        input_ids=asked,
        attention_mask=torch.ones_like(asked),
        max_new_tokens=TOKENS,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
        pad_token_id=tokenizer.eos_token_id,
    )
    tokens: list[int] = made.sequences[0, len(prompt) :].tolist()
    vocabulary = Vocabulary(tokenizer)
    # They are no part of an answer's text, of which alone the engine tells.
    specials = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    said: Said = []
    ties: list[bool] = []
    for token, logits in zip(tokens, made.logits, strict=True):
        if token == tokenizer.eos_token_id:
            break
        if token in specials:
            continue
        logprobs = torch.log_softmax(logits[0].float(), dim=-1)
        best = torch.topk(logprobs, 2).values
        said.append((vocabulary.bytes(token), float(logprobs[token])))
        ties.append(bool(best[0] - best[1] <= NOISE))
    return Expected(said, ties)


def differences(answers: list[Said], wanted: list[Expected], *, what: str) -> list[str]:
    """Returns a sentence for each answer that is not the expected one."""
    return [
        f"{what}, {question!r}: {answer}, expected {expectation.said}"
        for question, answer, expectation in zip(QUESTIONS, answers, wanted, strict=False)
        if not _is_same(answer, expectation)
    ]


def _is_same(answer: Said, wanted: Expected) -> bool:
    for (token, logprob), (other, expected_logprob), tie in zip(answer, wanted.said, wanted.ties, strict=False):
        if abs(logprob - expected_logprob) > NOISE:
            return False
        if token != other:
            return tie
    return len(answer) == len(wanted.said)


@torch.no_grad()
def merge_difference(adapter: Path) -> float:
    """Returns the largest difference of logits between an adapter beside its base and merged into it."""
    asked = torch.arange(5, 37)[None]
    beside, merged = (load(folder)(input_ids=asked).logits for folder in (adapter, adapter / "merged"))
    return float((beside - merged).abs().max())


def _messages(question: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": question}]
