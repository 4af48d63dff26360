"""The parity check: compares the answers of a served model with those that the trainer recorded."""

from typing import Any, Literal

from finery.contracts.base_models import StrictModel

TOKENS = 24
"""Maximum number of tokens that a model generates per prompt."""
MOST_PROMPTS = 3
TOLERANCES = {"float32": 1e-3, "bfloat16": 0.25, "float16": 0.05}
"""Precision → largest difference of log-probabilities at which two computations count as the same.

In fp32 the order of a sum moves a logit by some 1e-6 of its size; logits are tens, and every layer adds its own. bf16
keeps 8 bits of a number: a logit from 16 to 32 is a multiple of 1/8, and two roundings of it may lie a step to either
side. fp16 keeps 11 bits. Measured with a small model: 5e-7, 3e-2, 6e-3.
"""

Precision = Literal["float32", "bfloat16", "float16"]


class Prompt(StrictModel):
    """The beginning of a row: messages for the chat template, or plain text."""

    messages: list[dict[str, Any]] = []
    tools: list[dict[str, Any]] | None = None
    text: str = ""


class Completion(StrictModel):
    """The tokens that a model generates greedily after a prompt."""

    prompt: list[int]
    tokens: list[int]
    """At most TOKENS tokens, an end token included."""
    logprobs: list[float]
    """Natural log-probability of each token."""
    rivals: list[list[int]] = []
    """For each position, the other tokens whose log-probability is within the tolerance of the chosen one."""


class Entry(StrictModel):
    asked: Prompt
    said: Completion


class Record(StrictModel):
    """Written by the trainer, from the model in memory."""

    precision: Precision
    entries: list[Entry]


class Served(StrictModel):
    """Written by the engine, from the freshly loaded model; one completion per entry of a record, in its order."""

    precision: Precision
    said: list[Completion]


class Comparison(StrictModel):
    max_logprob_difference: float
    """Over the tokens up to the first that differs."""
    tokens_equal: float
    """The share of the trainer's tokens that the engine also generated, 0 to 1."""
    prompts_equal: bool
    """Whether both tokenized the prompts in the same way."""
    tolerance: float
    is_same: bool
    """Whether they agree within the tolerance; two tokens of equal log-probability count as the same."""


def tolerance_of(*precisions: Precision) -> float:
    """Returns the tolerance of the coarsest precision."""
    return max(TOLERANCES[precision] for precision in precisions)


def compare(record: Record, served: Served) -> Comparison:
    tolerance = tolerance_of(record.precision, served.precision)
    pairs = [(entry.said, said) for entry, said in zip(record.entries, served.said, strict=True)]
    lengths = [_common(trained, said) for trained, said in pairs]
    differences = (
        abs(ours - theirs)
        for (trained, said), length in zip(pairs, lengths, strict=True)
        for ours, theirs in zip(trained.logprobs[:length], said.logprobs[:length], strict=True)
    )
    difference = max(differences, default=0.0)
    wanted = sum(len(trained.tokens) for trained, _ in pairs)
    prompts_equal = all(trained.prompt == said.prompt for trained, said in pairs)
    agree = all(_agree(trained, said) for trained, said in pairs)
    return Comparison(
        max_logprob_difference=difference,
        tokens_equal=sum(lengths) / wanted if wanted else 1.0,
        prompts_equal=prompts_equal,
        tolerance=tolerance,
        is_same=prompts_equal and agree and difference <= tolerance,
    )


def _common(one: Completion, other: Completion) -> int:
    """Returns the length of the common prefix of their tokens."""
    length = min(len(one.tokens), len(other.tokens))
    return next((index for index in range(length) if one.tokens[index] != other.tokens[index]), length)


def _agree(trained: Completion, served: Completion) -> bool:
    """Returns whether the tokens are equal, or the first that differs is one of the engine's rivals there."""
    common = _common(trained, served)
    if common == len(trained.tokens) == len(served.tokens):
        return True
    if common >= len(trained.tokens) or common >= len(served.tokens):
        return False
    return common < len(served.rivals) and trained.tokens[common] in served.rivals[common]
