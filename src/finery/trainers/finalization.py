"""From a fitted trainer to the run's output and outcome."""

import hashlib
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finery.contracts.datasets import open_source
from finery.contracts.events import ResultData
from finery.contracts.parity import Prompt, Record
from finery.contracts.process import ArtifactRef, Outcome
from finery.contracts.recipes import TrainingConfig
from finery.contracts.recipes.base import TRAINING
from finery.contracts.status import Reason
from finery.trainers.attempt import Attempt
from finery.trainers.checkpoints import keep_base_record, name_base
from finery.trainers.loading import merged_base
from finery.trainers.modelcard import model_card
from finery.trainers.parity import check, note, release
from finery.trainers.reporting import readable
from finery.trainers.saving import fresh_partial_output, swap_into_place, write_marker, write_model
from finery.trainers.training_loop import Fitted


@dataclass(frozen=True)
class TrainingSummary:
    """What was learned from, for the record."""

    base: str
    rows: int
    evaluation_rows: int
    stop_tokens: frozenset[int]
    beginnings: tuple[Prompt, ...] = ()
    """Of some of the rows."""


@dataclass(frozen=True)
class Written:
    artifacts: list[ArtifactRef]
    record: Record | None
    """What the model said before it was saved, where it is to be compared."""


def finish(
    attempt: Attempt,
    config: TrainingConfig,
    fitted: Fitted,
    tokenizer: PreTrainedTokenizerBase,
    summary: TrainingSummary,
) -> Outcome:
    """Raises OSError when the disk is full, TrainingRefused when somebody else's files took the output's place."""
    counted = {**fitted.metrics, "rows": summary.rows, "eval_rows": summary.evaluation_rows}
    metrics = {name: value for name, value in counted.items() if math.isfinite(value)}
    if fitted.ending is Reason.PAUSED:
        return Outcome(reason=Reason.PAUSED, message=None, metrics=metrics)
    artifacts: list[ArtifactRef] = []
    if attempt.is_main:
        written = _write(attempt, config, fitted, tokenizer, summary, metrics)
        artifacts = written.artifacts
        if written.record is not None:
            release(fitted.trainer)
            metrics |= check(attempt, written.record, [Path(made.path) for made in artifacts])
        attempt.reporter.event(ResultData.model_validate(metrics))
        attempt.reporter.log(f"result  {readable(metrics)}")
    shutil.rmtree(merged_base(attempt.run), ignore_errors=True)
    return Outcome(reason=fitted.ending, metrics=metrics, artifacts=artifacts)


def _write(
    attempt: Attempt,
    config: TrainingConfig,
    fitted: Fitted,
    tokenizer: PreTrainedTokenizerBase,
    summary: TrainingSummary,
    metrics: dict[str, float],
) -> Written:
    output = attempt.spec.output_dir
    attempt.reporter.stage("saving", f"saving the model {output.name}")
    # Without the casts of mixed precision: they belong to the steps of a training.
    model = fitted.trainer.accelerator.unwrap_model(fitted.trainer.model, keep_fp32_wrapper=False)
    artifacts = [ArtifactRef(name=output.name, type="adapter" if config.use_lora else "model", path=str(output))]
    partial = fresh_partial_output(attempt)
    if summary.stop_tokens:
        name_stop_tokens(model.get_base_model() if config.use_lora else model, summary.stop_tokens)
    if config.use_lora:
        model.peft_config["default"].base_model_name_or_path = _lasting_base(attempt, summary.base, partial)
    record = note(model, tokenizer, summary.beginnings) if config.parity_check else None
    write_model(model, tokenizer, partial)
    keep_base_record(attempt.run, partial)
    if config.use_lora and config.merge_adapter:
        attempt.reporter.stage("merging", "merging the adapter into its base")
        write_model(model.merge_and_unload(), tokenizer, partial / "merged")
        artifacts.append(ArtifactRef(name=f"{output.name}/merged", type="model", path=str(output / "merged")))
    card = model_card(attempt, config, metrics, _sha256_of_data(attempt))
    (partial / "README.md").write_text(card, encoding="utf-8")
    write_marker(attempt, partial)
    swap_into_place(partial, output)
    return Written(artifacts, record)


def _lasting_base(attempt: Attempt, base: str, partial: Path) -> str:
    """Where the adapter's base will be found. One that was merged for this run moves into the output."""
    if Path(base) != merged_base(attempt.run):
        return base
    shutil.move(base, partial / "base")
    lasting = str(attempt.spec.output_dir / "base")
    name_base(attempt.run.checkpoints, lasting)
    return lasting


def name_stop_tokens(model: PreTrainedModel, learned: frozenset[int]) -> None:
    """Have generation stop at the tokens that ended the learned answers."""
    known = model.generation_config.eos_token_id
    ids = [known] if isinstance(known, int) else list(known or [])
    ids += sorted(learned - set(ids))
    model.generation_config.eos_token_id = ids[0] if len(ids) == 1 else ids


def _sha256_of_data(attempt: Attempt) -> str:
    data = attempt.spec.datasets[TRAINING]
    with open_source(data.path, data.entry).file.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
