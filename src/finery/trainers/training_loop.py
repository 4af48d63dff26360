"""The training itself: from the last checkpoint, with as much of the batch in memory as fits."""

import gc
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from transformers import PrinterCallback, Trainer

from finery.contracts.recipes import TrainingConfig
from finery.contracts.status import Reason
from finery.kit.files import read_json, write_json
from finery.trainers.arguments import BatchShape
from finery.trainers.attempt import Attempt
from finery.trainers.callbacks import StepCallback
from finery.trainers.checkpoints import Checkpoints
from finery.trainers.errors import OutOfMemory, is_out_of_memory
from finery.trainers.memory_probe import ProbeCallback, is_probed
from finery.trainers.sampling import SampleCallback

LASTING = frozenset(
    {"token_accuracy", "rewards_margin", "rewards_accuracy", "rewards_chosen", "rewards_rejected", "kl", "reward"}
)
"""Figures of the last step that belong to the result."""


@dataclass(frozen=True)
class Fitted:
    trainer: Trainer
    ending: Reason
    metrics: dict[str, float]


Build = Callable[[BatchShape], Trainer]
"""Makes a fresh trainer, model included: one that ran out of memory is of no use any more."""


def fit(
    attempt: Attempt, config: TrainingConfig, checkpoints: Checkpoints, build: Build, *, smallest_batch: int = 1
) -> Fitted:
    """Raises Diverged, OutOfMemory, PausedBeforeTraining, TrainingRefused, OSError."""
    if checkpoints.remove_torn():
        attempt.reporter.notice("torn_checkpoint", "an unfinished checkpoint was removed", level="info")
    shape = _first_shape(attempt, config, smallest_batch)
    while True:
        fitted = _try(attempt, config, checkpoints, build, shape)
        if fitted is not None:
            return fitted
        shape = _after_out_of_memory(attempt, shape, smallest_batch)


def _try(
    attempt: Attempt, config: TrainingConfig, checkpoints: Checkpoints, build: Build, shape: BatchShape
) -> Fitted | None:
    """None when memory ran out. The error, and with it every tensor that its frames hold, is gone by then."""
    try:
        trainer = build(shape)
        callback = StepCallback(attempt, config, checkpoints)
        trainer.remove_callback(PrinterCallback)
        if is_probed(attempt, config):
            trainer.add_callback(ProbeCallback(attempt, config, trainer, shape))
        trainer.add_callback(callback)
        if config.sample_prompts:
            trainer.add_callback(SampleCallback(attempt, config, trainer.processing_class))
        last = checkpoints.latest()
        if last is not None:
            callback.tokens = trainer._total_train_tokens = checkpoints.tokens_of(last)
        attempt.raise_if_paused()
        start = time.monotonic()
        trainer.train(resume_from_checkpoint=str(last) if last is not None else None)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None
    return Fitted(trainer, callback.ending, _metrics(trainer, callback, time.monotonic() - start))


def _first_shape(attempt: Attempt, config: TrainingConfig, smallest_batch: int) -> BatchShape:
    """The configured one, or the smaller one that this run has needed before; half of it where the kernel ended the
    attempt before this one. Raises OutOfMemory when there is no smaller one."""
    configured = BatchShape(config.batch_size, config.gradient_accumulation_steps)
    noted = read_json(attempt.batch_file) or {}
    shape = BatchShape(noted["size"], noted["accumulation"]) if noted else configured
    if shape.product != configured.product:
        shape = configured
    # Another process of this attempt may have halved it already.
    if attempt.kernel_ended_the_last and noted.get("attempt") != attempt.number:
        shape = _smaller(attempt, shape, smallest_batch)
    if shape != configured:
        _tell_smaller_batch(attempt, configured, shape)
    return shape


def _after_out_of_memory(attempt: Attempt, shape: BatchShape, smallest_batch: int) -> BatchShape:
    gc.collect()
    if attempt.spec.gpus:
        torch.cuda.empty_cache()
    smaller = _smaller(attempt, shape, smallest_batch)
    if attempt.processes > 1:
        # The other ranks wait in a collective that this one will never join: all must begin again.
        raise OutOfMemory(f"out of memory with a batch of {shape.size} on each GPU")
    _tell_smaller_batch(attempt, shape, smaller)
    return smaller


def _smaller(attempt: Attempt, shape: BatchShape, smallest_batch: int) -> BatchShape:
    """Noted for the run's other attempts and processes. Raises OutOfMemory."""
    smaller = shape.smaller(smallest_batch)
    if smaller is None:
        raise OutOfMemory(f"out of memory with a batch of {shape.size}; choose a smaller model or max_length")
    write_json(attempt.batch_file, {**asdict(smaller), "attempt": attempt.number})
    return smaller


def _tell_smaller_batch(attempt: Attempt, before: BatchShape, after: BatchShape) -> None:
    attempt.reporter.notice(
        "out_of_memory",
        f"out of memory with a batch of {before.size}: going on with {after.size}, {after.accumulation} times a step",
        batch_size=after.size,
        gradient_accumulation_steps=after.accumulation,
    )


def _metrics(trainer: Trainer, callback: StepCallback, seconds: float) -> dict[str, float]:
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
    metrics |= {name: value for name, value in callback.last.items() if name in LASTING}
    return metrics


def _mean_by_steps(losses: list[tuple[int, float]]) -> float:
    """Each logged loss is the mean since the one before. Trainer's own figure forgets the steps before a resume."""
    total, before = 0.0, 0
    for step, loss in losses:
        total += loss * (step - before)
        before = step
    return total / before
