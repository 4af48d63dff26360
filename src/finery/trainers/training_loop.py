"""Runs a Trainer from the last checkpoint on, with smaller batches when memory runs out."""

import gc
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from transformers import PrinterCallback

from finery.contracts.recipes import TrainingConfig
from finery.contracts.status import Reason
from finery.kit.files import read_json, write_json
from finery.trainers.arguments import BatchShape
from finery.trainers.attempt import Attempt
from finery.trainers.callbacks import StepCallback
from finery.trainers.checkpoints import Checkpoints
from finery.trainers.errors import OutOfMemory, is_out_of_memory
from finery.trainers.lora import tell_targets
from finery.trainers.memory_probe import ProbeCallback, is_probed
from finery.trainers.model_settings import SettingsKeepingTrainer
from finery.trainers.sampling import SampleCallback

RESULT_METRICS = frozenset(
    {
        *("token_accuracy", "aux_loss", "kl", "reward"),
        *("rewards_margin", "rewards_accuracy", "rewards_chosen", "rewards_rejected"),
    }
)
"""Metrics of the last step that belong to the result."""


@dataclass(frozen=True)
class FitResult:
    trainer: SettingsKeepingTrainer
    ending: Reason
    metrics: dict[str, float]


Build = Callable[[BatchShape], SettingsKeepingTrainer]
"""Makes a fresh trainer with its model: one that ran out of memory cannot be used again."""


def fit(
    attempt: Attempt, config: TrainingConfig, checkpoints: Checkpoints, build: Build, *, smallest_batch: int = 1
) -> FitResult:
    """Trains to the end, or to a stop or pause. `smallest_batch` is the least batch size that the recipe allows.

    Raises Diverged, OutOfMemory, PausedBeforeTraining, TrainingRefused, OSError.
    """
    if checkpoints.remove_unfinished():
        attempt.reporter.notice("torn_checkpoint", "an unfinished checkpoint was removed", level="info")
    shape = _first_shape(attempt, config, smallest_batch)
    is_first = True
    while True:
        result = _try(attempt, config, checkpoints, build, shape, is_first=is_first)
        if result is not None:
            return result
        is_first = False
        shape = _after_out_of_memory(attempt, shape, smallest_batch)


def _try(
    attempt: Attempt,
    config: TrainingConfig,
    checkpoints: Checkpoints,
    build: Build,
    shape: BatchShape,
    *,
    is_first: bool,
) -> FitResult | None:
    """Returns None when memory ran out. By then the error is gone, and with it every tensor that its frames held."""
    try:
        trainer = build(shape)
        if config.use_lora and is_first:
            tell_targets(attempt, trainer.model)
        callback = StepCallback(attempt, config, checkpoints)
        trainer.remove_callback(PrinterCallback)
        if is_probed(attempt, config):
            trainer.add_callback(ProbeCallback(attempt, config, trainer, shape))
        trainer.add_callback(callback)
        if config.sample_prompts:
            trainer.add_callback(SampleCallback(attempt, config, trainer.processing_class))
        last = attempt.run.last_checkpoint()
        if last is not None:
            callback.tokens = trainer._total_train_tokens = checkpoints.tokens_of(last)
        attempt.raise_if_paused()
        start = time.monotonic()
        trainer.train(resume_from_checkpoint=str(last) if last is not None else None)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None
    return FitResult(trainer, callback.ending, _metrics(trainer, callback, time.monotonic() - start))


def _first_shape(attempt: Attempt, config: TrainingConfig, smallest_batch: int) -> BatchShape:
    """Returns the configured batch, or the smaller one that this run has needed before; at most half of it after the
    kernel's OOM killer has ended an attempt. Raises OutOfMemory when there is no smaller one.
    """
    configured = BatchShape(config.batch_size, config.gradient_accumulation_steps)
    recorded = read_json(attempt.run.batch) or {}
    shape = BatchShape(recorded["size"], recorded["accumulation"]) if recorded else configured
    if shape.product != configured.product:
        shape = configured
    # Another rank of this attempt may have halved it already.
    if attempt.follows_oom_kill and recorded.get("attempt") != attempt.number:
        shape = _smaller(attempt, shape, smallest_batch)
    if shape != configured:
        _report_smaller_batch(attempt, configured, shape)
    return shape


def _after_out_of_memory(attempt: Attempt, shape: BatchShape, smallest_batch: int) -> BatchShape:
    gc.collect()
    if attempt.spec.gpus:
        torch.cuda.empty_cache()
    smaller = _smaller(attempt, shape, smallest_batch)
    if attempt.processes > 1:
        # The other ranks wait in a collective that this one never joins, so that all must begin again.
        raise OutOfMemory(f"out of memory with a batch of {shape.size} on each GPU")
    _report_smaller_batch(attempt, shape, smaller)
    return smaller


def _smaller(attempt: Attempt, shape: BatchShape, smallest_batch: int) -> BatchShape:
    """Returns the next smaller batch, recorded for the run's other attempts and ranks. Raises OutOfMemory."""
    smaller = shape.smaller(smallest_batch)
    if smaller is None:
        raise OutOfMemory(f"out of memory with a batch of {shape.size}; choose a smaller model or max_length")
    write_json(attempt.run.batch, {**asdict(smaller), "attempt": attempt.number})
    return smaller


def _report_smaller_batch(attempt: Attempt, before: BatchShape, after: BatchShape) -> None:
    attempt.reporter.notice(
        "out_of_memory",
        f"out of memory with a batch of {before.size}: going on with {after.size}, {after.accumulation} times a step",
        batch_size=after.size,
        gradient_accumulation_steps=after.accumulation,
    )


def _metrics(trainer: SettingsKeepingTrainer, callback: StepCallback, seconds: float) -> dict[str, float]:
    history = trainer.state.log_history
    metrics: dict[str, float] = {
        "steps": trainer.state.global_step,
        "epochs": round(trainer.state.epoch or 0.0, 4),
        "seconds": round(seconds, 2),
        "trainable_parameters": trainer.get_num_trainable_parameters(),
    }
    losses = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
    if losses:
        metrics["train_loss"] = _mean_by_steps(losses)
        metrics["final_loss"] = losses[-1][1]
    evaluations = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    if evaluations:
        metrics["eval_loss"] = evaluations[-1]
    if callback.tokens:
        metrics["tokens"] = callback.tokens
    metrics |= {name: value for name, value in callback.last_metrics.items() if name in RESULT_METRICS}
    return metrics


def _mean_by_steps(losses: list[tuple[int, float]]) -> float:
    """Returns the mean loss of all steps, also those before a resume, which Trainer's own `train_loss` leaves out.

    Each logged loss is the mean of the steps since the log before.
    """
    total, before = 0.0, 0
    for step, loss in losses:
        total += loss * (step - before)
        before = step
    return total / before
