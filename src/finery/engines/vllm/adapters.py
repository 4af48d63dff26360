"""LoRA adapters that vLLM takes while it serves their base."""

from collections.abc import Mapping
from typing import Any

LOAD_PATH = "/v1/load_lora_adapter"
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM reserves room for, one of these."""
COMMON_RANK = 64
"""Adapters up to it share one engine."""


def load_body(name: str, folder: str) -> dict[str, Any]:
    """Of a request to LOAD_PATH."""
    return {"lora_name": name, "lora_path": folder}


def is_loaded_already(status: int, message: str) -> bool:
    """vLLM refuses an adapter's second loading; to us it is as good as the first."""
    return status == 400 and "already been loaded" in message


def adapter_issue(config: Mapping[str, Any]) -> str | None:
    """Why vLLM cannot load an adapter of this configuration beside its base."""
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


def room_for(rank: int) -> int:
    """The rank that an engine has to be started with: the same one for all that are small enough."""
    return next(each for each in RANKS if each >= max(rank, COMMON_RANK))
