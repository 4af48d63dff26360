"""The check after a training: does the saved model say, served, what it said in memory?"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

from finery.contracts.chat_prompts import ChatPrompts, NotRenderable
from finery.contracts.model_folder import context_length
from finery.contracts.parity import TOKENS, Comparison, Completion, Entry, Precision, Prompt, Record, Served, compare
from finery.kit.files import write_atomically
from finery.trainers.attempt import Attempt
from finery.trainers.rendering import prompts_of
from finery.trainers.sampling import go_on

ENGINE = "finery.engines.transformers.parity"
LIMIT_SECONDS = 1800.0
"""For the engine to load the model and to answer."""


class Unchecked(Exception):
    """The engine did not answer; the message says why."""


def note(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, beginnings: Sequence[Prompt]) -> Record:
    """What the model in memory says. Those that its template refuses, or that fill its context, are left out."""
    context = context_length(model.config.get_text_config().to_dict()) or sys.maxsize
    entries = []
    for asked in beginnings:
        prompt = _prompt(prompts_of(tokenizer), asked)
        if not 0 < len(prompt) < context - TOKENS:
            continue
        made = go_on(model, tokenizer, prompt, TOKENS)
        entries.append(Entry(asked=asked, said=Completion(prompt=prompt, tokens=made.tokens, logprobs=made.logprobs)))
    precision: Precision = str(model.dtype).removeprefix("torch.")  # type: ignore[assignment]
    return Record(precision=precision, entries=entries)


def check(attempt: Attempt, record: Record, folders: Sequence[Path]) -> dict[str, float]:
    """Figures for the run. What is wrong is told, and fails nothing: the model is as it is."""
    if not record.entries:
        attempt.reporter.notice("parity", "no row begins with a prompt that could be compared", level="info")
        return {}
    attempt.reporter.stage("checking", "asking the saved model what the one in memory was asked")
    try:
        compared = [compare(record, served) for served in _serve(attempt, record, folders)]
    except Unchecked as error:
        attempt.reporter.notice("parity", f"the saved model could not be asked: {error}")
        return {}
    for folder, one in zip(folders, compared, strict=True):
        _tell(attempt, folder, one)
    return {
        "parity_max_logprob_difference": max(one.max_logprob_difference for one in compared),
        "parity_tokens_equal": min(one.tokens_equal for one in compared),
    }


def release(trainer: Trainer) -> None:
    """Give back the memory of models and optimizer, whoever still refers to them: the engine needs as much."""
    for model in trainer.accelerator._models:
        model.to_empty(device="meta")
    if trainer.optimizer is not None:
        trainer.optimizer.state.clear()
    trainer.accelerator.free_memory()


def _prompt(prompts: ChatPrompts, asked: Prompt) -> list[int]:
    if not asked.messages:
        return prompts.plain(asked.text)
    try:
        return prompts.chat(asked.messages, asked.tools)
    except NotRenderable:
        return []


def _serve(attempt: Attempt, record: Record, folders: Sequence[Path]) -> list[Served]:
    """In a process of its own: trainers and engines do not know each other. Raises Unchecked."""
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
        raise Unchecked(str(error)) from error
    finally:
        file.unlink(missing_ok=True)
    if answer.returncode != 0:
        last = answer.stderr.strip().splitlines()[-1:] or [f"exit code {answer.returncode}"]
        raise Unchecked(last[0])
    try:
        return [Served.model_validate_json(line) for line in answer.stdout.splitlines()[-len(folders) :]]
    except ValidationError as error:
        raise Unchecked("its answer was not understood") from error


def _tell(attempt: Attempt, folder: Path, compared: Comparison) -> None:
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
