"""What a training needs of the machine it runs on and of the packages installed there."""

import importlib.util
from collections.abc import Iterator

from finery.contracts.recipes.base import TrainingConfig

TRACKERS = frozenset({"tensorboard", "wandb", "mlflow", "trackio"})
"""Each is called as its package is."""


def missing_requirements(config: TrainingConfig, *, has_gpu: bool) -> Iterator[tuple[str, str]]:
    """The field and the message of each thing that is missing, the remedy in it."""
    for name in config.report_to:
        if name in TRACKERS and _is_missing(name):
            yield (
                "report_to",
                f"{name} needs the package {name}, which is not installed: pip install {name}, or leave it out",
            )
    if config.precision == "fp16" and not has_gpu:
        yield "precision", "fp16 needs a GPU; on a CPU choose bf16 or fp32"
    for field, is_wanted in (("load_in_4bit", config.load_in_4bit), ("load_in_8bit", config.load_in_8bit)):
        if is_wanted and not has_gpu:
            yield field, f"{field} needs a GPU, and this run has none"
        elif is_wanted and _is_missing("bitsandbytes"):
            yield field, f"{field} needs the package bitsandbytes: pip install 'finery[quantization]'"
    if config.optimizer == "adamw_bnb_8bit" and _is_missing("bitsandbytes"):
        yield "optimizer", "adamw_bnb_8bit needs the package bitsandbytes: pip install 'finery[quantization]'"


def _is_missing(package: str) -> bool:
    return importlib.util.find_spec(package) is None
