"""Probes memory by one step on the longest rows before the training, so that it runs out at once or not at all."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import torch
from datasets import Dataset
from pyarrow import compute
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from finery.contracts.memory_fit import gib, optimizer_bytes
from finery.contracts.recipes import RECIPES, TrainingConfig
from finery.kit.machine import read_hardware
from finery.trainers.arguments import BatchShape
from finery.trainers.attempt import Attempt

MOST_LOOKED_AT = 50_000
"""Only so many rows are searched for the longest."""
CLEAR_REFERENCES = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""Resets VmHWM (Linux, proc_pid_clear_refs(5))."""


def is_probed(attempt: Attempt, config: TrainingConfig) -> bool:
    """Returns whether to probe. Where the model generates answers, their length decides, and no first step shows it."""
    if RECIPES[attempt.spec.recipe].footprint(config).answer_length:
        return False
    return config.probe == "on" or (config.probe == "auto" and bool(attempt.spec.gpus))


class ProbeCallback(TrainerCallback):
    """Runs one step before the first, and leaves weights, metrics and random state as they were."""

    def __init__(self, attempt: Attempt, config: TrainingConfig, trainer: Trainer, shape: BatchShape) -> None:
        self._attempt = attempt
        self._config = config
        self._trainer = trainer
        self._shape = shape

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Raises whatever error a lack of memory raises."""
        size = self._shape.size
        self._attempt.reporter.stage("probing", f"trying a batch of {size} of the longest rows")
        rows = longest_rows(self._trainer.train_dataset, size)
        batch = self._trainer.data_collator([self._trainer.train_dataset[row] for row in rows])
        # Trainer sets this at the beginning of each step, and training_step reads it.
        self._trainer.current_gradient_accumulation_steps = self._shape.accumulation
        meter = PeakMemory(args.device)
        with _preserved_state(self._trainer), _optimizer_memory(self._trainer, self._config.optimizer):
            self._trainer.training_step(self._trainer.model_wrapped, batch)
            peak = meter.peak()
        total = meter.total()
        self._attempt.reporter.notice(
            "probe",
            f"a step on {len(rows)} of the longest rows needs {gib(peak)} of {gib(total)}",
            level="info",
            peak_bytes=peak,
            total_bytes=total,
            batch_size=size,
            gradient_accumulation_steps=self._shape.accumulation,
        )


class PeakMemory:
    """Measures the peak memory in bytes since it was made: a GPU's tensors, or this process's resident memory."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            return
        # Where this is forbidden, the peak since the process began is an upper bound.
        with suppress(OSError):
            CLEAR_REFERENCES.write_text(RESET_PEAK)

    def peak(self) -> int:
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device))
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def total(self) -> int:
        if self._device.type == "cuda":
            return int(torch.cuda.mem_get_info(self._device)[1])
        return read_hardware().memory_total_bytes


def longest_rows(rows: Dataset, count: int) -> list[int]:
    """Returns the indexes of the rows with the most tokens, the longest first."""
    lengths: list[int] = []
    for batch in rows.with_format("arrow").iter(1000):
        kinds = pyarrow.types
        lists = [each for each in batch.columns if kinds.is_list(each.type) or kinds.is_large_list(each.type)]
        lengths += np.sum([compute.list_value_length(column).to_numpy() for column in lists], axis=0).tolist()
        if len(lengths) >= MOST_LOOKED_AT:
            break
    return sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)[:count]


@contextmanager
def _preserved_state(trainer: Trainer) -> Iterator[None]:
    """Restores random state, gradients and TRL's counters at the end."""
    devices = [trainer.args.device] if trainer.args.device.type == "cuda" else []
    tokens = trainer._total_train_tokens
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        trainer.model.zero_grad(set_to_none=True)
        trainer._total_train_tokens = tokens
        trainer._metrics["train"].clear()


@contextmanager
def _optimizer_memory(trainer: Trainer, optimizer: str) -> Iterator[None]:
    """Holds the memory that the optimizer will take at its first step; after a resume it has it already."""
    taken = bool(trainer.optimizer.state)
    size = 0 if taken else optimizer_bytes(optimizer, trainer.get_num_trainable_parameters())
    # The kernel gives memory only when it is first written to.
    room = torch.empty(size, dtype=torch.uint8, device=trainer.args.device).fill_(1)
    try:
        yield
    finally:
        del room
