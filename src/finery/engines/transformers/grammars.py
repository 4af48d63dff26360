"""Grammars for structured outputs: compiled by llguidance, they say which tokens may come next."""

import json
import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from transformers import PreTrainedTokenizerBase

from finery.engines.transformers.sampling import GenerationFailed

if TYPE_CHECKING:
    # An engine without the package still answers requests that need no grammar.
    import llguidance

# The generation thread computes the masks of all requests: no grammar may hold it up for long, nor fill the memory.
LIMITS: dict[str, Any] = {"step_lexer_fuel": 50_000, "step_max_items": 20_000, "max_lexer_states": 20_000}
# One space or an indented line; a model could go on with unbounded white space for ever.
WHITE_SPACE = {"whitespace_pattern": r" |\n[ \t]{0,32}", "whitespace_flexible": True}
QUOTED = re.compile(r"\n\s*\d+ \| .*", re.DOTALL)
WHERE = re.compile(r"^at \d+\(\d+\): failed to compile JSON schema: ")
MAX_REASON = 300


class GrammarRefused(ValueError):
    """The grammar or schema cannot be compiled; the message says what in it is not supported."""


class GrammarsMissing(Exception):
    """llguidance is not installed; the message says so."""


class Grammars:
    """Compiles grammars for one model's tokens. Safe to use on any thread."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, vocabulary: int, end_tokens: Sequence[int]) -> None:
        """`vocabulary` is the number of tokens that the model scores."""
        self._tokenizer = tokenizer
        self._vocabulary = max(vocabulary, len(tokenizer))
        self._end_tokens = list(end_tokens)

    def check_schema(self, schema: dict[str, Any]) -> None:
        """Raises GrammarRefused for a schema that cannot be compiled, and GrammarsMissing."""
        self.compile(f"start: {json_rule(schema)}")

    def compile(self, lark: str) -> "Grammar":
        """Compiles llguidance's Lark syntax: in milliseconds, for a huge schema some hundred.

        Raises GrammarRefused, GrammarsMissing.
        """
        tokens = self._tokens
        from llguidance import LLMatcher, LLParserLimits

        matcher = LLMatcher(tokens, lark, log_level=0, limits=LLParserLimits(verbose_errors=False, **LIMITS))
        if matcher.is_error():
            raise GrammarRefused(one_line(matcher.get_error()))
        return Grammar(matcher)

    def literal(self, text: str) -> str:
        """Returns the rule body that matches the text; special tokens, which no text stands for, are named by id."""
        parts: list[str] = []
        plain: list[int] = []
        for token in self._tokenizer(text, add_special_tokens=False)["input_ids"]:
            if self._tokens.is_special_token(token):
                parts += [*self._quoted(plain), f"<[{token}]>"]
                plain = []
            else:
                plain.append(token)
        return " ".join(parts + self._quoted(plain))

    def _quoted(self, tokens: list[int]) -> list[str]:
        return [json.dumps(self._tokens.decode_str(tokens), ensure_ascii=False)] if tokens else []

    @cached_property
    def _tokens(self) -> "llguidance.LLTokenizer":
        try:
            from llguidance.hf import from_tokenizer
        except ImportError as error:
            raise GrammarsMissing("needs the package llguidance, which is not installed here") from error
        try:
            return from_tokenizer(self._tokenizer, n_vocab=self._vocabulary, eos_token=self._end_tokens or None)
        except ValueError as error:
            raise GrammarRefused(f"this model's tokenizer cannot be held to a form: {one_line(error)}") from error


class Grammar:
    def __init__(self, start: "llguidance.LLMatcher") -> None:
        self._start = start

    def begin(self) -> "TokenMatcher":
        """Returns a matcher for one answer."""
        return TokenMatcher(self._start.deep_copy())


class TokenMatcher:
    """The position of one answer in its grammar. Used on the generation thread."""

    def __init__(self, matcher: "llguidance.LLMatcher") -> None:
        self._matcher = matcher

    @property
    def is_complete(self) -> bool:
        """Whether no token but an end may follow."""
        return self._matcher.is_stopped()

    def mask(self, logits: torch.Tensor) -> torch.Tensor:
        """Returns the logits, shape [vocabulary], with forbidden tokens at minus infinity. Raises GenerationFailed."""
        packed = torch.frombuffer(bytearray(self._matcher.compute_bitmask()), dtype=torch.uint8).to(logits.device)
        bits = (packed.unsqueeze(-1) >> torch.arange(8, device=logits.device, dtype=torch.uint8)) & 1
        allowed = bits.view(-1)[: logits.numel()].bool()
        masked = torch.full_like(logits, -torch.inf)
        masked[: allowed.numel()] = logits[: allowed.numel()].masked_fill(~allowed, -torch.inf)
        if self._matcher.is_error():
            raise GenerationFailed(f"The form of the answer is too intricate: {one_line(self._matcher.get_error())}")
        if not masked.amax().isfinite():
            raise GenerationFailed("The model gave no finite score to any token that the form of the answer allows.")
        return masked

    def accept(self, token: int) -> None:
        self._matcher.consume_token(token)


def json_rule(schema: dict[str, Any]) -> str:
    """Returns the rule body that matches JSON of the schema."""
    return f"%json {json.dumps({**schema, 'x-guidance': WHITE_SPACE}, ensure_ascii=False)}"


def one_line(error: object) -> str:
    """Returns llguidance's reason without the quoted grammar and the position in it, which the client never wrote."""
    text = " ".join(QUOTED.sub("", str(error)).split())
    return WHERE.sub("", text)[:MAX_REASON].rstrip(".")
