"""Finishes a training: saves the model with its card, checks parity, and returns the run's outcome."""

import hashlib
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from finery.contracts.datasets import open_source
from finery.contracts.events import ResultData
from finery.contracts.parity import Prompt, Record
from finery.contracts.process import ArtifactRef, Outcome
from finery.contracts.recipes import TrainingConfig
from finery.contracts.recipes.base import TRAINING
from finery.contracts.status import Reason
from finery.trainers.attempt import Attempt
from finery.trainers.checkpoints import keep_base_record, rename_adapter_base
from finery.trainers.learning_signals import warn_of_no_learning
from finery.trainers.loading import merged_base
from finery.trainers.lora import adapted_modules
from finery.trainers.model_settings import whole_model
from finery.trainers.modelcard import model_card
from finery.trainers.parity import check_parity, free_memory, record_completions
from finery.trainers.reporting import readable
from finery.trainers.saving import swap_into_place, write_marker, write_model
from finery.trainers.training_loop import FitResult
from finery.trainers.weight_dtypes import WeightDtypes


@dataclass(frozen=True)
class TrainingSummary:
    """What the training learned from: base, rows and prompts for the parity check."""

    base: str
    rows: int
    evaluation_rows: int
    parity_prompts: tuple[Prompt, ...] = ()


def finish(
    attempt: Attempt,
    config: TrainingConfig,
    result: FitResult,
    tokenizer: PreTrainedTokenizerBase,
    summary: TrainingSummary,
) -> Outcome:
    """Saves the model of a completed or stopped run, and returns the outcome.

    Raises OSError when the disk is full, TrainingRefused when foreign files have taken the output's place.
    """
    counted = {**result.metrics, "rows": summary.rows, "eval_rows": summary.evaluation_rows}
    metrics = {name: value for name, value in counted.items() if math.isfinite(value)}
    if result.ending is Reason.PAUSED:
        return Outcome(reason=Reason.PAUSED, message=None, metrics=metrics)
    artifacts: list[ArtifactRef] = []
    if attempt.is_main:
        warn_of_no_learning(attempt, config, result)
        artifacts, record = _save(attempt, config, result, tokenizer, summary, metrics)
        if record is not None:
            free_memory(result.trainer)
            metrics |= check_parity(attempt, record, [Path(artifact.path) for artifact in artifacts])
        attempt.reporter.event(ResultData.model_validate(metrics))
        attempt.reporter.log(f"result  {readable(metrics)}")
    shutil.rmtree(merged_base(attempt.run), ignore_errors=True)
    return Outcome(reason=result.ending, metrics=metrics, artifacts=artifacts)


def _save(
    attempt: Attempt,
    config: TrainingConfig,
    result: FitResult,
    tokenizer: PreTrainedTokenizerBase,
    summary: TrainingSummary,
    metrics: dict[str, float],
) -> tuple[list[ArtifactRef], Record | None]:
    """Returns the artifacts, and the model's completions in memory where parity is to be checked."""
    output = attempt.spec.output_dir
    attempt.reporter.stage("saving", f"saving the model {output.name}")
    dtypes = None if config.load_in_4bit or config.load_in_8bit else WeightDtypes.of_base(summary.base)
    # Without the wrapper that casts outputs in mixed precision: it belongs to training steps only.
    model = result.trainer.accelerator.unwrap_model(result.trainer.model, keep_fp32_wrapper=False)
    artifacts = [ArtifactRef(name=output.name, type="adapter" if config.use_lora else "model", path=str(output))]
    partial = attempt.partial_output
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    result.trainer.loaded_settings.apply(whole_model(model))
    if config.use_lora:
        model.peft_config["default"].base_model_name_or_path = _final_base(attempt, summary.base, partial)
    targets = adapted_modules(model)
    record = None
    if config.parity_check:
        saved_as = None if dtypes is None else dtypes.most
        record = record_completions(model, tokenizer, summary.parity_prompts, saved_as=saved_as)
    if dtypes is not None and not config.use_lora:
        dtypes.apply(model)
    write_model(model, tokenizer, partial)
    keep_base_record(attempt.run, partial)
    if config.use_lora and config.merge_adapter:
        attempt.reporter.stage("merging", "merging the adapter into its base")
        merged = model.merge_and_unload()
        if dtypes is not None:
            dtypes.apply(merged)
        write_model(merged, tokenizer, partial / "merged")
        artifacts.append(ArtifactRef(name=f"{output.name}/merged", type="model", path=str(output / "merged")))
    data = attempt.spec.datasets[TRAINING]
    with open_source(data.path, data.entry).file.open("rb") as file:
        data_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    card = model_card(attempt, config, metrics, data_sha256, targets)
    (partial / "README.md").write_text(card, encoding="utf-8")
    write_marker(attempt, partial)
    swap_into_place(partial, output)
    return artifacts, record


def _final_base(attempt: Attempt, base: str, partial: Path) -> str:
    """Returns the base that the adapter names. One that was merged for this run moves into the output."""
    if Path(base) != merged_base(attempt.run):
        return base
    shutil.move(base, partial / "base")
    lasting = str(attempt.spec.output_dir / "base")
    rename_adapter_base(attempt.run.checkpoints, lasting)
    return lasting
