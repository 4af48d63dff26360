"""Estimates the memory of an engine from the model's files, before it is started."""

from pathlib import Path
from typing import Any

from finery.contracts.builtin_models import BUILTIN_MODELS, BUILTIN_PARAMETERS
from finery.contracts.deployment import EngineOptions
from finery.contracts.model_folder import (
    DEEPEST,
    Dimensions,
    base_of,
    context_length,
    declared_dtype,
    dimensions,
    text_config,
    whole_model,
)
from finery.domain.context import DomainContext
from finery.kit.hub_cache import cached_snapshot
from finery.kit.machine import computes_bfloat16
from finery.kit.weights import count_parameters, parameters_in_name

RUNTIME_BYTES = {"ram": 600 * 2**20, "gpu": 800 * 2**20}
"""For the framework itself, as measured in main memory; on a GPU, for CUDA's context and kernels."""
CACHED_CONTEXTS = 8
MOST_CACHE_BYTES = {"ram": 2 * 2**30, "gpu": 16 * 2**30}
UNKNOWN_CACHE_BYTES = 2**30
UNKNOWN_PARAMETERS = 7_000_000_000
"""The size of a model on a hub whose name does not tell it."""
UNKNOWN_CONTEXT = 2048
UNKNOWN_DIMENSIONS = Dimensions(
    hidden=4096, layers=32, vocabulary=None, heads=32, intermediate=4 * 4096, key_values=4096
)
BYTES_PER_PARAMETER = {"8bit": 1.1, "4bit": 0.65}
"""More than the bits alone: some layers are never quantized, and each block of weights has a scale."""


def cache_bytes(model: str, options: EngineOptions, context: DomainContext) -> int:
    """Return the bytes for keys and values of all concurrent requests: several whole contexts, within bounds."""
    most = MOST_CACHE_BYTES[_kind(context)]
    config = _config_of(model, context)
    if config is None:
        return min(UNKNOWN_CACHE_BYTES, most)
    longest = context_length(config) or UNKNOWN_CONTEXT
    context_tokens = min(options.max_context or longest, longest)
    # The engine's pages hold 256 tokens, and it needs one of them at least for each context.
    return max(min(CACHED_CONTEXTS * (context_tokens + 256) * _cache_bytes_per_token(config), most), 2**20)


def memory_need(model: str, adapter: str | None, options: EngineOptions, context: DomainContext) -> int:
    """Return the bytes that the engine needs on this machine's devices. What is unknown is estimated rather high."""
    weights = _weight_bytes(model, options, context)
    if adapter is not None:
        weights += _file_bytes(Path(adapter))
    return int(weights) + cache_bytes(model, options, context) + RUNTIME_BYTES[_kind(context)]


def architecture_of(model: str, context: DomainContext) -> str | None:
    """Return the `model_type` of the model, of an adapter its base's; None where the files are not on this machine."""
    architecture = (_config_of(model, context) or {}).get("model_type")
    return architecture if isinstance(architecture, str) else None


def _kind(context: DomainContext) -> str:
    return "gpu" if context.machine().gpus else "ram"


def _weight_bytes(model: str, options: EngineOptions, context: DomainContext, *, deep: int = DEEPEST) -> float:
    folder = _folder_of(model, context)
    base = None if folder is None else base_of(folder)
    if folder is not None and base is not None and deep:
        return _weight_bytes(base, options, context, deep=deep - 1) + 2 * _file_bytes(folder)
    parameters = _parameters(model, folder)
    if options.load_in_4bit or options.load_in_8bit:
        return parameters * BYTES_PER_PARAMETER["4bit" if options.load_in_4bit else "8bit"]
    is_bfloat16 = declared_dtype(_config_of(model, context) or {}) == "bfloat16"
    if _kind(context) == "ram" and not (is_bfloat16 and computes_bfloat16()):
        # The engine converts the weights to float32, whatever is stored.
        return parameters * 4.0
    return float(_file_bytes(folder)) if folder is not None else parameters * 2.0


def _parameters(model: str, folder: Path | None) -> int:
    if folder is not None:
        return count_parameters(folder) or _file_bytes(folder) // 2
    return BUILTIN_PARAMETERS.get(model) or parameters_in_name(model) or UNKNOWN_PARAMETERS


def _folder_of(model: str, context: DomainContext) -> Path | None:
    """Return the folder of the model's files, or None where they are not on this machine."""
    path = context.home.models / model if model in BUILTIN_MODELS else Path(model)
    if not path.is_absolute():
        return cached_snapshot(model)
    return path if path.is_dir() else None


def _config_of(model: str, context: DomainContext) -> dict[str, Any] | None:
    """Return the configuration of the text model; of an adapter, its base's."""
    folder = _folder_of(whole_model(model, lambda name: _folder_of(name, context)), context)
    return None if folder is None else text_config(folder) or None


def _cache_bytes_per_token(config: dict[str, Any]) -> int:
    # Two bytes a number, four where the weights are float32.
    return (dimensions(config) or UNKNOWN_DIMENSIONS).cache_bytes_per_token(
        2 if declared_dtype(config).endswith("16") else 4
    )


def _file_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))
