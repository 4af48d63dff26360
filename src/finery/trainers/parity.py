"""The parity check: compares what the saved model generates when served with what it generated in memory."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from pydantic import ValidationError
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

from finery.contracts.chat_prompts import ChatPrompts, NotRenderable
from finery.contracts.model_folder import context_length
from finery.contracts.parity import (
    TOKENS,
    Comparison,
    Completion,
    Entry,
    Precision,
    Prompt,
    Record,
    Served,
    compare,
    tolerance_of,
)
from finery.kit.files import write_atomically
from finery.trainers.attempt import Attempt
from finery.trainers.rendering import prompts_of
from finery.trainers.sampling import generate_greedily

ENGINE = "finery.engines.transformers.parity"
LIMIT_SECONDS = 1800.0
"""The limit for the engine to load the models and to generate."""


class ParityCheckFailed(Exception):
    """The engine gave no completions; the message says why."""


def record_completions(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    parity_prompts: Sequence[Prompt],
    *,
    saved_as: torch.dtype | None,
) -> Record:
    """Returns the completions of the model in memory, without prompts that its template refuses or its context lacks
    room for. The record's precision is the coarser one of the model's and of the weights that will be served.
    """
    context = context_length(model.config.get_text_config().to_dict()) or sys.maxsize
    entries = []
    for asked in parity_prompts:
        prompt = _tokenize(prompts_of(tokenizer), asked)
        if not 0 < len(prompt) < context - TOKENS:
            continue
        generation = generate_greedily(model, tokenizer, prompt, TOKENS)
        said = Completion(prompt=prompt, tokens=generation.tokens, logprobs=generation.logprobs)
        entries.append(Entry(asked=asked, said=said))
    precisions = (_precision(dtype) for dtype in (model.dtype, saved_as) if dtype is not None)
    return Record(precision=max(precisions, key=tolerance_of), entries=entries)


def check_parity(attempt: Attempt, record: Record, folders: Sequence[Path]) -> dict[str, float]:
    """Returns metrics for the run. A difference is reported, but does not fail the run: the model is saved."""
    if not record.entries:
        attempt.reporter.notice("parity", "no row begins with a prompt that could be compared", level="info")
        return {}
    attempt.reporter.stage("checking", "asking the saved model what the one in memory was asked")
    try:
        compared = [compare(record, served) for served in _serve(attempt, record, folders)]
    except ParityCheckFailed as error:
        attempt.reporter.notice("parity", f"the saved model could not be asked: {error}")
        return {}
    for folder, comparison in zip(folders, compared, strict=True):
        _report(attempt, folder, comparison)
    return {
        "parity_max_logprob_difference": max(comparison.max_logprob_difference for comparison in compared),
        "parity_tokens_equal": min(comparison.tokens_equal for comparison in compared),
    }


def free_memory(trainer: Trainer) -> None:
    """Frees the memory of models and optimizer, whoever still refers to them: the engine needs as much."""
    for model in trainer.accelerator._models:
        model.to_empty(device="meta")
    if trainer.optimizer is not None:
        trainer.optimizer.state.clear()
    trainer.accelerator.free_memory()


def _precision(dtype: torch.dtype) -> Precision:
    return str(dtype).removeprefix("torch.")  # type: ignore[return-value]


def _tokenize(prompts: ChatPrompts, asked: Prompt) -> list[int]:
    """Returns a prompt's tokens; none where the template refuses it."""
    if not asked.messages:
        return prompts.plain(asked.text)
    try:
        return prompts.chat(asked.messages, asked.tools)
    except NotRenderable:
        return []


def _serve(attempt: Attempt, record: Record, folders: Sequence[Path]) -> list[Served]:
    """Serves each folder's model in a process of its own, since trainers import no engine. Raises ParityCheckFailed."""
    file = attempt.directory.path / "parity.json"
    write_atomically(file, record.model_dump_json().encode())
    try:
        answer = subprocess.run(
            [sys.executable, "-m", ENGINE, str(file), *map(str, folders)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "OMP_NUM_THREADS": str(attempt.spec.cpu_threads)},
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ParityCheckFailed(str(error)) from error
    finally:
        file.unlink(missing_ok=True)
    if answer.returncode != 0:
        last = answer.stderr.strip().splitlines()[-1:] or [f"exit code {answer.returncode}"]
        raise ParityCheckFailed(last[0])
    try:
        return [Served.model_validate_json(line) for line in answer.stdout.splitlines()[-len(folders) :]]
    except ValidationError as error:
        raise ParityCheckFailed("its answer was not understood") from error


def _report(attempt: Attempt, folder: Path, compared: Comparison) -> None:
    if compared.is_same:
        words = ", served, says what it said in memory"
    elif not compared.prompts_equal:
        words = " is asked in other tokens where it is served than where it was trained"
    else:
        words = " says something else where it is served than in memory"
    metrics = (
        f"log-probabilities differ by {compared.max_logprob_difference:.2g} at most ({compared.tolerance:g} is "
        f"expected), {compared.tokens_equal:.0%} of the tokens are the same"
    )
    attempt.reporter.notice(
        "parity",
        f"{folder.name}{words}: {metrics}",
        level="info" if compared.is_same else "warning",
        **compared.model_dump(),
    )
