"""LoRA adapters that vLLM loads while it serves their base: which it can load, and by what request."""

from collections.abc import Mapping
from typing import Any

LOAD_PATH = "/v1/load_lora_adapter"
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The values that vLLM accepts as `--max-lora-rank`."""
COMMON_RANK = 64
"""Adapters up to this rank share one engine, whichever of them was asked for first."""


def load_body(name: str, folder: str) -> dict[str, Any]:
    """Returns the JSON of a request to LOAD_PATH."""
    return {"lora_name": name, "lora_path": folder}


def is_loaded_already(status: int, message: str) -> bool:
    """Recognizes vLLM's refusal to load an adapter for the second time."""
    return status == 400 and "already been loaded" in message


def adapter_issue(config: Mapping[str, Any]) -> str | None:
    """Returns why vLLM cannot load an adapter of this configuration beside its base; None where it can."""
    if config.get("peft_type", "LORA") != "LORA":
        return f"its adapter is of the type {config.get('peft_type')}"
    if config.get("use_dora"):
        return "its adapter is a DoRA"
    if config.get("modules_to_save"):
        return "its adapter also holds whole layers (modules_to_save)"
    if config.get("target_parameters"):
        return "its adapter reaches experts (target_parameters)"
    if config.get("bias", "none") != "none":
        return "its adapter holds biases"
    if type(config.get("r", 0)) is not int:
        return "its adapter's rank is no number"
    if config.get("r", 0) > RANKS[-1]:
        return f"its adapter's rank is above {RANKS[-1]}"
    return None


def reserved_rank(rank: int) -> int:
    """Returns the `--max-lora-rank` of the engine that is to serve an adapter of this rank."""
    return next(each for each in RANKS if each >= max(rank, COMMON_RANK))
