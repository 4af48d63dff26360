"""Estimates whether a training fits into memory, before it is accepted; see docs/fit.md."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from finery.contracts.events import NoticeData
from finery.contracts.machine import Machine
from finery.contracts.memory_fit import (
    Estimate,
    Footprint,
    ModelShape,
    Training,
    estimate,
    gib,
    largest_batch,
    shape_of,
)
from finery.contracts.recipes import Recipe, TrainingConfig
from finery.domain.errors import Issue
from finery.domain.runs.auto_values import description_of
from finery.domain.runs.errors import InvalidRun
from finery.kit.machine import computes_bfloat16
from finery.kit.translatable import Translatable

MARGIN = 1.25
"""Since it is an estimate, a run is refused only where it needs so many times the memory."""
BYTES_OF_TOKEN = 4
"""Bytes of a data file for each token, roughly, in any language."""
LONGER = 2
"""A batch is as long as its longest row, which has about so many times the mean length."""
UNKNOWN_LENGTH = 256
SHORTEST = 8
PACKED = frozenset({".gz", ".parquet"})
SMALL_PARAMETERS = 50_000_000
"""A trainer on a CPU computes smaller models in fp32, also where the processor could do bf16."""
FEWEST_ANSWERS = 2


@dataclass(frozen=True)
class Device:
    description: str
    memory: int
    """In bytes."""
    is_gpu: bool


@dataclass(frozen=True)
class Fit:
    """What a training needs beside what there is."""

    device: Device
    training: Training
    needed: Estimate
    fitting_batch: int
    """The largest batch up to the one asked for that fits; 1 also where that may not."""

    @property
    def notices(self) -> tuple[NoticeData, ...]:
        """A notice where the batch does not fit as it is."""
        size, device, needed = self.training.batch_size, self.device, self.needed
        if needed.total <= device.memory:
            return ()
        if self.fitting_batch == size == 1:
            message = f"it needs about {needed}, and {device.description}: it may not fit"
        else:
            advice = _advice(self.fitting_batch, device)
            message = f"a batch of {size} needs about {needed}, and {device.description}: {advice}"
        notice = {"level": "warning", "code": "batch_too_large", "message": message}
        values = {"batch_size": self.fitting_batch, "estimated_bytes": needed.total, "memory_bytes": device.memory}
        return (NoticeData.model_validate(notice | values),)


def check_fit(
    config: TrainingConfig, *, recipe: Recipe, model: str, dataset: Path, rows: int, gpus: int, machine: Machine
) -> Fit | None:
    """Return what the training needs and what there is; None for a model whose files are not on this machine.

    Raises InvalidRun where not even one row fits, by a clear margin.
    """
    described = description_of(model)
    shape = None if described is None else shape_of(*described)
    if shape is None:
        return None
    device = _device(gpus, machine)
    footprint = recipe.footprint(config)
    length = _length(config, footprint, dataset, rows)
    training = _training(config, footprint, shape, length, device)
    single = replace(training, batch_size=1)
    if estimate(shape, single).total > MARGIN * device.memory:
        raise InvalidRun([_issue(shape, single, device)])
    needed = estimate(shape, training)
    fitting = training.batch_size
    if needed.total > device.memory:
        fitting = max(1, largest_batch(shape, training, device.memory))
    return Fit(device=device, training=training, needed=needed, fitting_batch=fitting)


def _device(gpus: int, machine: Machine) -> Device:
    if gpus:
        memory = max(gpu.memory_total_bytes for gpu in machine.gpus)
        return Device(f"the largest GPU has {gib(memory)}", memory, is_gpu=True)
    memory = machine.memory_total_bytes
    return Device(f"this machine has {gib(memory)} of main memory", memory, is_gpu=False)


def _training(config: TrainingConfig, footprint: Footprint, shape: ModelShape, length: int, device: Device) -> Training:
    return Training(
        footprint=footprint,
        batch_size=config.batch_size,
        length=length,
        optimizer=config.optimizer,
        lora_rank=config.lora_rank if config.use_lora else None,
        computes_in_16_bits=_computes_in_16_bits(config, shape, device),
        quantisation="4bit" if config.load_in_4bit else "8bit" if config.load_in_8bit else None,
        gradient_checkpointing=config.gradient_checkpointing,
    )


def _computes_in_16_bits(config: TrainingConfig, shape: ModelShape, device: Device) -> bool:
    if config.precision != "auto":
        return config.precision != "fp32"
    return device.is_gpu or (computes_bfloat16() and shape.parameters >= SMALL_PARAMETERS)


def _length(config: TrainingConfig, footprint: Footprint, dataset: Path, rows: int) -> int:
    """Estimate the tokens of a batch's longest row from the size of the file, rather too few than too many."""
    longest = UNKNOWN_LENGTH
    if dataset.is_file() and dataset.suffix not in PACKED:
        tokens = dataset.stat().st_size // BYTES_OF_TOKEN
        longest = max(SHORTEST, tokens if footprint.is_packed else LONGER * tokens // max(1, rows))
    return min(config.max_length, longest + footprint.answer_length)


def _issue(shape: ModelShape, single: Training, device: Device) -> Issue:
    fitting = [
        setting for setting, remedy in _remedies(single, device) if estimate(shape, remedy).total <= device.memory
    ]
    advice = (
        Translatable("what would fit: {fitting}", fitting="; ".join(fitting))
        if fitting
        else Translatable("choose a smaller model")
    )
    needed = estimate(shape, single)
    return Issue(
        "model_name",
        Translatable(
            "even a batch of 1 needs about {needed}, and {description}; {advice}",
            needed=needed,
            description=device.description,
            advice=advice,
        ),
    )


def _remedies(single: Training, device: Device) -> Iterator[tuple[str, Training]]:
    """Yield settings that need less memory, milder ones first."""
    if single.length > UNKNOWN_LENGTH:
        yield f"max_length {UNKNOWN_LENGTH}", replace(single, length=UNKNOWN_LENGTH)
    if single.footprint.answers > FEWEST_ANSWERS:
        fewer = replace(single.footprint, answers=FEWEST_ANSWERS)
        yield f"n_generations {FEWEST_ANSWERS}", replace(single, footprint=fewer)
    if not single.gradient_checkpointing:
        yield "gradient_checkpointing", replace(single, gradient_checkpointing=True)
    if single.lora_rank is None:
        yield "use_lora", replace(single, lora_rank=16)
    adapter = replace(single, lora_rank=single.lora_rank or 16)
    if not single.gradient_checkpointing:
        yield "use_lora with gradient_checkpointing", replace(adapter, gradient_checkpointing=True)
    if device.is_gpu and single.quantisation != "4bit":
        quantised = replace(adapter, quantisation="4bit", gradient_checkpointing=True)
        yield "use_lora with load_in_4bit and gradient_checkpointing", quantised


def _advice(fitting: int, device: Device) -> str:
    if device.is_gpu:
        return f"the trainer will take about {fitting} at a time, and as many times a step"
    return f"choose batch_size {fitting}, with more gradient_accumulation_steps"
