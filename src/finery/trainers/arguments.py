"""Maps a run's configuration to TRL's training arguments and the trackers' variables."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finery.contracts.layout import RunDirectory
from finery.contracts.recipes import TrainingConfig
from finery.trainers.attempt import Attempt
from finery.trainers.checkpoints import Checkpoints

PROJECT = "finery"
"""The trackers' project of runs that name none."""


@dataclass(frozen=True)
class BatchShape:
    """The rows of one optimizer step as passes of `size`, `accumulation` times. The product never changes in a run."""

    size: int
    accumulation: int

    @property
    def product(self) -> int:
        return self.size * self.accumulation

    def smaller(self, at_least: int = 1) -> "BatchShape | None":
        """Returns the largest batch of at most half the size that divides it evenly; None when there is none."""
        for size in range(self.size // 2, at_least - 1, -1):
            if self.size % size == 0:
                return BatchShape(size, self.accumulation * (self.size // size))
        return None


def training_arguments(
    attempt: Attempt,
    config: TrainingConfig,
    checkpoints: Checkpoints,
    shape: BatchShape,
    *,
    evaluates: bool,
    bf16: bool,
) -> dict[str, Any]:
    """Returns the keyword arguments for a TRL configuration, and sets the trackers' environment variables."""
    set_tracker_variables(attempt.run, config)
    return {
        "output_dir": str(checkpoints.workspace),
        "per_device_train_batch_size": shape.size,
        "per_device_eval_batch_size": shape.size,
        "gradient_accumulation_steps": shape.accumulation,
        "num_train_epochs": config.num_epochs,
        "max_steps": config.max_steps or -1,
        "learning_rate": config.learning_rate * config.learning_rate_multiplier,
        "lr_scheduler_type": config.lr_scheduler,
        # transformers takes a value below 1 as a share of all steps.
        "warmup_steps": config.warmup_steps or min(config.warmup_ratio, 0.999999),
        "optim": config.optimizer,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "max_length": config.max_length,
        "seed": config.seed,
        "data_seed": config.seed,
        "bf16": bf16,
        "fp16": config.precision == "fp16",
        "use_cpu": not attempt.spec.gpus,
        "gradient_checkpointing": config.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if config.gradient_checkpointing else None,
        "logging_steps": config.logging_steps,
        "logging_first_step": True,
        # StepCallback must see a NaN; the filter would log the average of the steps before instead.
        "logging_nan_inf_filter": False,
        "save_strategy": "steps" if config.save_steps else "no",
        "save_steps": config.save_steps or 500,
        "eval_strategy": "no" if not evaluates else "steps" if config.eval_steps else "epoch",
        "eval_steps": config.eval_steps,
        "prediction_loss_only": True,
        "report_to": [name for name in config.report_to if name != "none"],
        "run_name": config.tracker_name or attempt.spec.run_id,
        "project": config.tracker_project or PROJECT,
        "disable_tqdm": True,
        "ddp_find_unused_parameters": False if attempt.processes > 1 else None,
        "dataloader_pin_memory": bool(attempt.spec.gpus),
    }


def set_tracker_variables(run: RunDirectory, config: TrainingConfig) -> None:
    """Sets the variables in which trackers look for projects and folders; those set already hold where the run says
    nothing. TensorBoard would write to output_dir, which is only a workspace here.
    """
    folder = Path(os.environ.get("TENSORBOARD_LOGGING_DIR", run.path / "tensorboard"))
    if config.tracker_name and "tensorboard" in config.report_to and folder.name != config.tracker_name:
        folder /= config.tracker_name
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder)
    os.environ.setdefault("WANDB_PROJECT", PROJECT)
    os.environ.setdefault("MLFLOW_EXPERIMENT_NAME", PROJECT)
    tags = config.tracker_tags
    wanted = {
        "WANDB_PROJECT": config.tracker_project,
        "WANDB_ENTITY": config.tracker_entity,
        "WANDB_TAGS": ",".join(tags),
        "MLFLOW_EXPERIMENT_NAME": config.tracker_project,
        "MLFLOW_TAGS": json.dumps(dict.fromkeys(tags, "true")) if tags else None,
    }
    os.environ.update({name: value for name, value in wanted.items() if value})
