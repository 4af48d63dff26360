"""What happens between two steps: figures out, requests in, checkpoints made whole, divergence noticed."""

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
"""Epochs of a small dataset end every second; a checkpoint at each of them would be most of the work."""

BOOKKEEPING = frozenset(
    {
        *("tokens", "entropy", "runtime", "samples_per_second", "steps_per_second", "epoch", "step_time"),
        *("rewards_of_answers_mean", "rewards_of_answers_std"),
        *("completions_min_length", "completions_max_length", "completions_mean_terminated_length"),
        *("completions_min_terminated_length", "completions_max_terminated_length"),
        *("clip_ratio_low_mean", "clip_ratio_low_min", "clip_ratio_high_mean", "clip_ratio_high_max"),
        "clip_ratio_region_mean",
    }
)
"""Figures of a trainer's log line that are told otherwise, or say nothing to the user."""

SHOWN = ("loss", "reward", "learning_rate", "grad_norm", "token_accuracy")
"""Figures of the log's line for a step, where the recipe has them."""


class StepCallback(TrainerCallback):
    """One callback, so that the order of its acts is the order of its lines."""

    def __init__(self, attempt: Attempt, config: TrainingConfig, checkpoints: Checkpoints) -> None:
        self._attempt = attempt
        self._config = config
        self._checkpoints = checkpoints
        self.ending = Reason.COMPLETED
        self.tokens = 0
        self.last: dict[str, float] = {}
        """The figures of the last logged step."""
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
        wanted = self._wanted()
        finished = state.global_step >= state.max_steps
        if CONTROL_CHECKPOINT in wanted:
            control.should_save = True
        if CONTROL_VALIDATE in wanted:
            self._validate(args, control)
        if CONTROL_STOP in wanted and not finished:
            self.ending = Reason.STOPPED
            control.should_training_stop = True
        elif CONTROL_PAUSE in wanted and not finished:
            self.ending = Reason.PAUSED
            control.should_training_stop = control.should_save = True
        if control.should_save:
            # The figures are looked at before a checkpoint is written: one that holds NaN is worse than none.
            control.should_log = True

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        due = self._config.save_each_epoch or time.monotonic() - self._saved_at >= EPOCH_CHECKPOINT_SECONDS
        is_wanted = state.global_step < state.max_steps or self._config.save_each_epoch
        if self._agreed(due) and self._config.save_steps is None and is_wanted:
            is_last = self._config.save_each_epoch and self.ending is Reason.COMPLETED
            control.should_log = control.should_save = is_last or not control.should_training_stop

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, float], **ctx: Any
    ) -> None:
        if "loss" not in logs:
            return
        self._refuse_divergence(state.global_step, logs, ctx["model"])
        told = self.last = metrics_of(logs)
        now = time.monotonic()
        self.tokens = int(told.get("tokens", self.tokens))
        progress: dict[str, Any] = {
            "step": state.global_step,
            "total_steps": state.max_steps,
            "epoch": round(told["epoch"], 4),
            "total_epochs": args.num_train_epochs if args.max_steps <= 0 else state.num_train_epochs,
            **{name: value for name, value in told.items() if name not in BOOKKEEPING},
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
        shown = {name: progress.get(name) for name in SHOWN}
        self._attempt.reporter.log(f"step {state.global_step}/{state.max_steps}  {readable(shown)}")

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: dict[str, float], **_: Any
    ) -> None:
        told = metrics_of(metrics, prefix="eval_")
        shown = {name: value for name, value in told.items() if name not in BOOKKEEPING}
        self._attempt.reporter.event(EvaluationData.model_validate({"step": state.global_step, **shown}))
        self._attempt.reporter.log(f"evaluation at step {state.global_step}  {readable(shown)}")
        # What evaluation took must not be counted as training time.
        self._logged_at = time.monotonic()

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._attempt.processes > 1:
            distributed.barrier()
        if self._attempt.is_main:
            path = self._checkpoints.adopt(state.global_step)
            self._attempt.reporter.event(CheckpointData(step=state.global_step, path=str(path)))
            self._attempt.reporter.log(f"checkpoint at step {state.global_step}: {path}")
        if self._attempt.processes > 1:
            distributed.barrier()
        self._saved_at = self._logged_at = time.monotonic()

    def _validate(self, args: TrainingArguments, control: TrainerControl) -> None:
        if args.eval_strategy == "no":
            self._attempt.reporter.notice("no_evaluation_rows", "there are no evaluation rows to validate on")
        else:
            control.should_evaluate = True

    def _wanted(self) -> set[str]:
        """The requests to honour now. Every rank must act on the same ones at the same step: the first one decides."""
        if self._attempt.processes == 1:
            return self._attempt.controls.take()
        taken = self._attempt.controls.take() if self._attempt.is_main else set()
        flags = torch.tensor([name in taken for name in CONTROLS], dtype=torch.uint8, device=_collective_device())
        distributed.broadcast(flags, src=0)
        return {name for name, flag in zip(CONTROLS, flags.tolist(), strict=True) if flag}

    def _agreed(self, own: bool) -> bool:
        """The first rank's answer: clocks differ, and all ranks must save or none."""
        if self._attempt.processes == 1:
            return own
        flag = torch.tensor([own], dtype=torch.uint8, device=_collective_device())
        distributed.broadcast(flag, src=0)
        return bool(flag.item())

    def _refuse_divergence(self, step: int, logs: dict[str, float], model: torch.nn.Module) -> None:
        """Raises Diverged. A loss of exactly 0 may be a masked NaN: then the weights tell."""
        if not math.isfinite(logs["loss"]):
            raise Diverged(step, f"the loss is {logs['loss']}")
        # In fp16 a gradient may overflow: its step is left out, and the loss scale lowered.
        if self._config.precision != "fp16" and not math.isfinite(logs.get("grad_norm", 0.0)):
            raise Diverged(step, f"the gradient norm is {logs['grad_norm']}")
        if logs["loss"] == 0.0 and not all(torch.isfinite(p).all() for p in model.parameters() if p.requires_grad):
            raise Diverged(step, "the loss is exactly 0 and the weights are not finite")


def _collective_device() -> torch.device:
    """Collectives of NCCL take tensors on the GPU only."""
    return torch.device("cuda" if distributed.get_backend() == "nccl" else "cpu")
