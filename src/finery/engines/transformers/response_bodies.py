"""Builds the JSON bodies and stream chunks of chat completions and completions."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4

from finery.engines.transformers.answers import Body, Choice, Piece
from finery.engines.transformers.sampling import SampledToken
from finery.engines.transformers.tool_calls import ToolCall
from finery.engines.transformers.vocabulary import Vocabulary


@dataclass(frozen=True)
class Envelope:
    """The fields that every body and chunk of one answer repeats."""

    model: str
    id_prefix: str
    id: str = field(default_factory=lambda: uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def wrap(self, kind: str, choices: list[Body], **rest: object) -> Body:
        head = {"id": f"{self.id_prefix}-{self.id}", "object": kind, "created": self.created, "model": self.model}
        return {**head, "choices": choices, **rest}


class BodyFormat(Protocol):
    """The form in which one endpoint writes choices."""

    id_prefix: str
    body_object: str
    chunk_object: str

    def whole(self, choice: Choice) -> Body: ...

    def opening(self, index: int) -> Body | None:
        """Returns the chunk that precedes the first text of a choice; None where the endpoint has none."""
        ...

    def chunk(self, piece: Piece) -> Body: ...


class ChatBodyFormat:
    id_prefix = "chatcmpl"
    body_object = "chat.completion"
    chunk_object = "chat.completion.chunk"

    def __init__(self, vocabulary: Vocabulary, *, has_functions: bool = False) -> None:
        """`has_functions`: the request has the older form of tools, and its answer the older form of a call."""
        self._vocabulary = vocabulary
        self._has_functions = has_functions

    def whole(self, choice: Choice) -> Body:
        message: Body = {"role": "assistant", "content": choice.text, "refusal": None}
        if choice.calls and self._has_functions:
            message |= {"content": choice.text or None, "function_call": function_body(choice.calls[0])}
        elif choice.calls:
            calls = [call_body(call) for call in choice.calls]
            message |= {"content": choice.text or None, "tool_calls": calls}
        return {
            "index": choice.index,
            "message": message,
            "logprobs": self._logprobs(choice.tokens),
            "finish_reason": self._reason(choice),
        }

    def opening(self, index: int) -> Body | None:
        return {"index": index, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}

    def chunk(self, piece: Piece) -> Body:
        delta: Body = {"content": piece.text} if piece.text else {}
        if piece.calls and self._has_functions:
            delta["function_call"] = function_body(piece.calls[0])
        elif piece.calls:
            delta["tool_calls"] = [{"index": call.index, **call_body(call)} for call in piece.calls]
        return {
            "index": piece.index,
            "delta": delta,
            "logprobs": self._logprobs(piece.tokens),
            "finish_reason": self._reason(piece),
        }

    def _reason(self, piece: Piece) -> str | None:
        is_function = self._has_functions and piece.finish_reason == "tool_calls"
        return "function_call" if is_function else piece.finish_reason

    def _logprobs(self, tokens: list[SampledToken]) -> Body | None:
        entries = [
            {
                **self._entry(sampled.token, sampled.logprob),
                "top_logprobs": [self._entry(token, logprob) for token, logprob in sampled.rivals],
            }
            for sampled in tokens
            if sampled.logprob is not None
        ]
        return {"content": entries, "refusal": None} if entries else None

    def _entry(self, token: int, logprob: float) -> Body:
        return {"token": self._vocabulary.text(token), "logprob": logprob, "bytes": self._vocabulary.bytes(token)}


def call_body(call: ToolCall) -> Body:
    return {"id": call.id, "type": "function", "function": function_body(call)}


def function_body(call: ToolCall) -> Body:
    return {"name": call.name, "arguments": call.arguments}


def best_by_text(vocabulary: Vocabulary, rivals: Sequence[tuple[int, float]]) -> dict[str, float]:
    """Returns text → log-probability. Of several tokens with one text, such as parts of characters, the best counts."""
    best: dict[str, float] = {}
    for token, logprob in rivals:
        best.setdefault(vocabulary.text(token), logprob)
    return best


class CompletionBodyFormat:
    id_prefix = "cmpl"
    body_object = "text_completion"
    chunk_object = "text_completion"

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._lengths: dict[int, int] = {}
        """Choice → characters of its tokens so far, from which `text_offset` goes on."""

    def whole(self, choice: Choice) -> Body:
        return self._body(choice.index, choice.text, choice.tokens, choice.finish_reason)

    def opening(self, index: int) -> Body | None:
        return None

    def chunk(self, piece: Piece) -> Body:
        return self._body(piece.index, piece.text, piece.tokens, piece.finish_reason)

    def _body(self, index: int, text: str, tokens: list[SampledToken], finish_reason: str | None) -> Body:
        return {
            "index": index,
            "text": text,
            "logprobs": self._logprobs(index, tokens),
            "finish_reason": finish_reason,
        }

    def _logprobs(self, index: int, tokens: list[SampledToken]) -> Body | None:
        known = [sampled for sampled in tokens if sampled.logprob is not None]
        if not known:
            return None
        texts = [self._vocabulary.text(sampled.token) for sampled in known]
        offsets = []
        for text in texts:
            offsets.append(self._lengths.get(index, 0))
            self._lengths[index] = offsets[-1] + len(text)
        return {
            "tokens": texts,
            "token_logprobs": [sampled.logprob for sampled in known],
            "top_logprobs": [best_by_text(self._vocabulary, sampled.rivals) for sampled in known],
            "text_offset": offsets,
        }
