"""Whether a model says where it is served what it said where it was trained: what is asked, noted and compared."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

TOKENS = 24
"""How many a model goes on with."""
MOST_PROMPTS = 3
TOLERANCES = {"float32": 1e-3, "bfloat16": 0.25, "float16": 0.05}
"""The difference of log-probabilities up to which two computations in a precision count as the same.

In fp32 the order of a sum moves a logit by some 1e-6 of its size; logits are tens, and every layer adds its own. bf16
keeps 8 bits of a number: a logit from 16 to 32 is a multiple of 1/8, and two roundings of it may lie a step to either
side. fp16 keeps 11 bits. Measured with a small model: 5e-7, 3e-2, 6e-3.
"""

Precision = Literal["float32", "bfloat16", "float16"]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Prompt(Frozen):
    """A row's beginning: messages for the chat template, or plain text."""

    messages: list[dict[str, Any]] = []
    tools: list[dict[str, Any]] | None = None
    text: str = ""


class Completion(Frozen):
    """What a model goes on with, greedily."""

    prompt: list[int]
    tokens: list[int]
    """At most TOKENS, an end token included."""
    logprobs: list[float]
    """Natural logarithms, of each token."""
    rivals: list[list[int]] = []
    """For each token, those that were as good where it was chosen: their log-probabilities are within the tolerance."""


class Entry(Frozen):
    asked: Prompt
    said: Completion


class Record(Frozen):
    """By the trainer, of the model in memory."""

    precision: Precision
    entries: list[Entry]


class Served(Frozen):
    """By the engine, of the model that was loaded afresh: for each entry of a record, in its order."""

    precision: Precision
    said: list[Completion]


class Comparison(Frozen):
    max_logprob_difference: float
    """Over the tokens that both chose, up to the first other one."""
    tokens_equal: float
    """The share of the trainer's tokens that the engine chose too, 0 to 1."""
    prompts_equal: bool
    """Whether both made the same tokens of what was asked."""
    tolerance: float
    is_same: bool
    """Within the tolerance, where two tokens that are as good as each other count as the same."""


def tolerance_of(*precisions: Precision) -> float:
    """The coarsest one's."""
    return max(TOLERANCES[precision] for precision in precisions)


def compare(record: Record, served: Served) -> Comparison:
    tolerance = tolerance_of(record.precision, served.precision)
    pairs = [(entry.said, said) for entry, said in zip(record.entries, served.said, strict=True)]
    difference = max((abs(one - other) for pair in pairs for one, other in _shared(*pair)), default=0.0)
    wanted = sum(len(trained.tokens) for trained, _ in pairs)
    shared = sum(_common(trained, said) for trained, said in pairs)
    prompts_equal = all(trained.prompt == said.prompt for trained, said in pairs)
    agree = all(_agree(trained, said) for trained, said in pairs)
    return Comparison(
        max_logprob_difference=difference,
        tokens_equal=shared / wanted if wanted else 1.0,
        prompts_equal=prompts_equal,
        tolerance=tolerance,
        is_same=prompts_equal and agree and difference <= tolerance,
    )


def _common(one: Completion, other: Completion) -> int:
    """How many tokens they begin with alike."""
    length = min(len(one.tokens), len(other.tokens))
    return next((index for index in range(length) if one.tokens[index] != other.tokens[index]), length)


def _shared(one: Completion, other: Completion) -> Iterator[tuple[float, float]]:
    common = _common(one, other)
    return zip(one.logprobs[:common], other.logprobs[:common], strict=True)


def _agree(trained: Completion, served: Completion) -> bool:
    """Whether the same tokens were said, or the first other one is as good as what the trainer chose there."""
    common = _common(trained, served)
    if common == len(trained.tokens) == len(served.tokens):
        return True
    if common >= len(trained.tokens) or common >= len(served.tokens):
        return False
    return common < len(served.rivals) and trained.tokens[common] in served.rivals[common]
