"""Checks that the machine and its installed packages can run a training configuration."""

import importlib.util
from collections.abc import Iterator

from finery.contracts.recipes.base import TrainingConfig
from finery.kit.translatable import Translatable

TRACKERS = frozenset({"tensorboard", "wandb", "mlflow", "trackio"})
"""Names of trackers, which are also the names of their packages."""


def missing_requirements(config: TrainingConfig, *, has_gpu: bool) -> Iterator[tuple[str, str]]:
    """Yields field and message for each missing requirement; the message names the remedy."""
    for name in config.report_to:
        if name in TRACKERS and _is_missing(name):
            yield (
                "report_to",
                Translatable(
                    "{name} needs the package {name}, which is not installed: pip install {name}, or leave it out",
                    name=name,
                ),
            )
    if config.precision == "fp16" and not has_gpu:
        yield "precision", Translatable("fp16 needs a GPU; on a CPU choose bf16 or fp32")
    for field, is_wanted in (("load_in_4bit", config.load_in_4bit), ("load_in_8bit", config.load_in_8bit)):
        if is_wanted and not has_gpu:
            yield field, Translatable("{field} needs a GPU, and this run has none", field=field)
        elif is_wanted and _is_missing("bitsandbytes"):
            yield (
                field,
                Translatable("{field} needs the package bitsandbytes: pip install 'finery[quantization]'", field=field),
            )
    if config.optimizer == "adamw_bnb_8bit" and _is_missing("bitsandbytes"):
        yield (
            "optimizer",
            Translatable("adamw_bnb_8bit needs the package bitsandbytes: pip install 'finery[quantization]'"),
        )


def _is_missing(package: str) -> bool:
    return importlib.util.find_spec(package) is None
