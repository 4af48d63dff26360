"""The Trainer callback of every run: reports metrics, honours controls, publishes checkpoints, detects divergence."""

import math
import time
from typing import Any

import torch
from torch import distributed
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from finery.contracts.events import CheckpointData, EvaluationData, ProgressData
from finery.contracts.layout import CONTROL_CHECKPOINT, CONTROL_PAUSE, CONTROL_STOP, CONTROL_VALIDATE
from finery.contracts.recipes import TrainingConfig
from finery.contracts.status import Reason
from finery.trainers.attempt import Attempt
from finery.trainers.checkpoints import Checkpoints
from finery.trainers.controls import CONTROLS
from finery.trainers.errors import Diverged
from finery.trainers.reporting import metrics_of, readable, resident_bytes

EPOCH_CHECKPOINT_SECONDS = 30.0
"""The least time between epochs' checkpoints: a small dataset's epochs may end every second."""

HIDDEN_METRICS = frozenset(
    {
        *("tokens", "entropy", "runtime", "samples_per_second", "steps_per_second", "epoch", "step_time"),
        *("rewards_of_answers_mean", "rewards_of_answers_std"),
        *("completions_min_length", "completions_max_length", "completions_mean_terminated_length"),
        *("completions_min_terminated_length", "completions_max_terminated_length"),
        *("clip_ratio_low_mean", "clip_ratio_low_min", "clip_ratio_high_mean", "clip_ratio_high_max"),
        "clip_ratio_region_mean",
    }
)
"""TRL's metrics that are reported in another way, or say nothing to the user."""

LOGGED_METRICS = ("loss", "aux_loss", "reward", "learning_rate", "grad_norm", "token_accuracy")
"""Metrics in the log's line for a step, where the recipe has them."""


class StepCallback(TrainerCallback):
    """A single callback, so that the order of what it does is the order of its lines."""

    def __init__(self, attempt: Attempt, config: TrainingConfig, checkpoints: Checkpoints) -> None:
        self._attempt = attempt
        self._config = config
        self._checkpoints = checkpoints
        self.ending = Reason.COMPLETED
        self.tokens = 0
        self.last_metrics: dict[str, float] = {}
        """The metrics of the last logged step."""
        self._begun_at = self._logged_at = self._saved_at = time.monotonic()
        self._first_step = 0
        self._logged_tokens = 0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._begun_at = self._logged_at = self._saved_at = time.monotonic()
        self._first_step, self._logged_tokens = state.global_step, self.tokens
        label = f"training, {state.max_steps} steps"
        if state.global_step:
            label += f", going on after step {state.global_step}"
        self._attempt.reporter.stage("training", label)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        taken = self._attempt.controls.take() if self._attempt.is_main else set()
        # All ranks must honour the same controls at the same step.
        flags = self._of_rank_0([name in taken for name in CONTROLS])
        wanted = {name for name, flag in zip(CONTROLS, flags, strict=True) if flag}
        finished = state.global_step >= state.max_steps
        if CONTROL_CHECKPOINT in wanted:
            control.should_save = True
        if CONTROL_VALIDATE in wanted:
            if args.eval_strategy == "no":
                self._attempt.reporter.notice("no_evaluation_rows", "there are no evaluation rows to validate on")
            else:
                control.should_evaluate = True
        if CONTROL_STOP in wanted and not finished:
            self.ending = Reason.STOPPED
            control.should_training_stop = True
        elif CONTROL_PAUSE in wanted and not finished:
            self.ending = Reason.PAUSED
            control.should_training_stop = control.should_save = True
        if control.should_save:
            # Logging checks for divergence before the checkpoint is written: one that holds NaN is worse than none.
            control.should_log = True

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        due = self._config.save_each_epoch or time.monotonic() - self._saved_at >= EPOCH_CHECKPOINT_SECONDS
        is_wanted = state.global_step < state.max_steps or self._config.save_each_epoch
        # Clocks differ, but either all ranks save or none.
        if self._of_rank_0([due])[0] and self._config.save_steps is None and is_wanted:
            is_last = self._config.save_each_epoch and self.ending is Reason.COMPLETED
            control.should_log = control.should_save = is_last or not control.should_training_stop

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, float], **ctx: Any
    ) -> None:
        if "loss" not in logs:
            return
        self._refuse_divergence(state.global_step, logs, ctx["model"])
        metrics = self.last_metrics = metrics_of(logs)
        now = time.monotonic()
        self.tokens = int(metrics.get("tokens", self.tokens))
        progress: dict[str, Any] = {
            "step": state.global_step,
            "total_steps": state.max_steps,
            "epoch": round(metrics["epoch"], 4),
            "total_epochs": args.num_train_epochs if args.max_steps <= 0 else state.num_train_epochs,
            **{name: value for name, value in metrics.items() if name not in HIDDEN_METRICS},
        }
        if self.tokens > self._logged_tokens:
            seconds = max(now - self._logged_at, 1e-6)
            progress["tokens"] = self.tokens
            progress["tokens_per_second"] = round((self.tokens - self._logged_tokens) / seconds, 1)
        done = state.global_step - self._first_step
        progress["eta_seconds"] = round(
            (now - self._begun_at) / max(done, 1) * (state.max_steps - state.global_step), 1
        )
        progress["memory_bytes"] = torch.cuda.max_memory_allocated() if args.device.type == "cuda" else resident_bytes()
        self._logged_at, self._logged_tokens = now, self.tokens
        self._attempt.reporter.event(ProgressData.model_validate(progress))
        shown = {name: progress.get(name) for name in LOGGED_METRICS}
        self._attempt.reporter.log(f"step {state.global_step}/{state.max_steps}  {readable(shown)}")

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: dict[str, float], **_: Any
    ) -> None:
        evaluation = metrics_of(metrics, prefix="eval_")
        shown = {name: value for name, value in evaluation.items() if name not in HIDDEN_METRICS}
        self._attempt.reporter.event(EvaluationData.model_validate({"step": state.global_step, **shown}))
        self._attempt.reporter.log(f"evaluation at step {state.global_step}  {readable(shown)}")
        # The time of an evaluation must not count into the next tokens_per_second.
        self._logged_at = time.monotonic()

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._attempt.processes > 1:
            # Every rank writes its part of the checkpoint; rank 0 may move it only when all are done.
            distributed.barrier()
        if self._attempt.is_main:
            path = self._checkpoints.adopt(state.global_step)
            self._attempt.reporter.event(CheckpointData(step=state.global_step, path=str(path)))
            self._attempt.reporter.log(f"checkpoint at step {state.global_step}: {path}")
        if self._attempt.processes > 1:
            distributed.barrier()
        self._saved_at = self._logged_at = time.monotonic()

    def _of_rank_0(self, flags: list[bool]) -> list[bool]:
        """Returns rank 0's flags, whatever those of this rank are."""
        if self._attempt.processes == 1:
            return flags
        # NCCL takes tensors on the GPU only.
        device = torch.device("cuda" if distributed.get_backend() == "nccl" else "cpu")
        tensor = torch.tensor(flags, dtype=torch.uint8, device=device)
        distributed.broadcast(tensor, src=0)
        return [bool(flag) for flag in tensor.tolist()]

    def _refuse_divergence(self, step: int, logs: dict[str, float], model: torch.nn.Module) -> None:
        """Raises Diverged for a loss or gradient that is not finite. A loss of exactly 0 may be a masked NaN: then the
        weights are checked.
        """
        if not math.isfinite(logs["loss"]):
            raise Diverged(step, f"the loss is {logs['loss']}")
        # In fp16 a gradient may overflow: the scaler skips that step and lowers the loss scale.
        if self._config.precision != "fp16" and not math.isfinite(logs.get("grad_norm", 0.0)):
            raise Diverged(step, f"the gradient norm is {logs['grad_norm']}")
        if logs["loss"] == 0.0 and not all(torch.isfinite(p).all() for p in model.parameters() if p.requires_grad):
            raise Diverged(step, "the loss is exactly 0 and the weights are not finite")
