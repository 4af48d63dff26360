"""How much memory an engine will take, told from the model's files before it is started."""

from pathlib import Path
from typing import Any

from finery.contracts.builtin import BUILTIN_MODELS, BUILTIN_PARAMETERS
from finery.contracts.deployment import EngineOptions
from finery.domain.ground import Ground
from finery.kit.files import read_bounded_json
from finery.kit.hub_cache import cached_snapshot
from finery.kit.machine import computes_bfloat16
from finery.kit.weights import count_parameters, parameters_in_name

RUNTIME_BYTES = {"ram": 600 * 2**20, "gpu": 800 * 2**20}
"""Of the framework itself, whatever the model: measured in main memory; on a GPU, CUDA's context and kernels."""
CACHED_CONTEXTS = 8
MOST_CACHE_BYTES = {"ram": 2 * 2**30, "gpu": 16 * 2**30}
UNKNOWN_CACHE_BYTES = 2**30
UNKNOWN_PARAMETERS = 7_000_000_000
"""Of a model on a hub whose name does not say."""
UNKNOWN_CONTEXT = 2048
MOST_COUNTED = 2**24
DEEPEST = 4
"""Adapters on adapters."""
BYTES_PER_PARAMETER = {"8bit": 1.1, "4bit": 0.65}
"""Some layers are never quantized, and each block of weights has a scale."""


def cache_bytes(model: str, options: EngineOptions, ground: Ground) -> int:
    """For the keys and values of all requests at once: several whole contexts, within bounds."""
    most = MOST_CACHE_BYTES[_kind(ground)]
    config = _config_of(model, ground)
    if config is None:
        return min(UNKNOWN_CACHE_BYTES, most)
    longest = _count(config, "max_position_embeddings", default=UNKNOWN_CONTEXT)
    context = min(options.max_context or longest, longest)
    # The engine's pages hold 256 tokens, and it needs one of them at least for each context.
    return max(min(CACHED_CONTEXTS * (context + 256) * _cache_bytes_per_token(config), most), 2**20)


def memory_need(model: str, adapter: str | None, options: EngineOptions, ground: Ground) -> int:
    """Bytes on the device that this machine serves on. What cannot be read is estimated, rather too high."""
    weights = _weight_bytes(model, options, ground)
    if adapter is not None:
        weights += _file_bytes(Path(adapter))
    return int(weights) + cache_bytes(model, options, ground) + RUNTIME_BYTES[_kind(ground)]


def _kind(ground: Ground) -> str:
    return "gpu" if ground.machine().gpus else "ram"


def _weight_bytes(model: str, options: EngineOptions, ground: Ground, *, deep: int = DEEPEST) -> float:
    folder = _folder_of(model, ground)
    base = None if folder is None else _base_of(folder)
    if folder is not None and base is not None and deep:
        return _weight_bytes(base, options, ground, deep=deep - 1) + 2 * _file_bytes(folder)
    parameters = _parameters(model, folder)
    if options.load_in_4bit or options.load_in_8bit:
        return parameters * BYTES_PER_PARAMETER["4bit" if options.load_in_4bit else "8bit"]
    if _kind(ground) == "ram" and not (_dtype(_config_of(model, ground)) == "bfloat16" and computes_bfloat16()):
        # The engine widens the weights, whatever is stored.
        return parameters * 4.0
    return float(_file_bytes(folder)) if folder is not None else parameters * 2.0


def _parameters(model: str, folder: Path | None) -> int:
    if folder is not None:
        return count_parameters(folder) or _file_bytes(folder) // 2
    return BUILTIN_PARAMETERS.get(model) or parameters_in_name(model) or UNKNOWN_PARAMETERS


def _folder_of(model: str, ground: Ground) -> Path | None:
    """Where its files are, if they are here."""
    path = ground.home.models / model if model in BUILTIN_MODELS else Path(model)
    if not path.is_absolute():
        return cached_snapshot(model)
    return path if path.is_dir() else None


def _base_of(folder: Path) -> str | None:
    """What an adapter is for; None for a whole model."""
    settings = _read(folder / "adapter_config.json")
    base = None if settings is None else settings.get("base_model_name_or_path")
    if not isinstance(base, str):
        return None
    return str(folder / base) if (folder / base).is_dir() else base


def _config_of(model: str, ground: Ground) -> dict[str, Any] | None:
    """Of the base, where it is an adapter; of the text part, where the model has several."""
    folder = _folder_of(model, ground)
    base = None if folder is None else _base_of(folder)
    plain = folder if base is None else _folder_of(base, ground)
    config = None if plain is None else _read(plain / "config.json")
    text = None if config is None else config.get("text_config")
    return text if isinstance(text, dict) else config


def _cache_bytes_per_token(config: dict[str, Any]) -> int:
    """A key and a value in each layer, two bytes a number (four where the weights are float32)."""
    layers = _count(config, "num_hidden_layers", "n_layer", default=32)
    hidden = _count(config, "hidden_size", "n_embd", default=4096)
    heads = _count(config, "num_attention_heads", "n_head", default=32)
    size = _count(config, "head_dim", default=max(1, hidden // heads))
    width = 2 if _dtype(config).endswith("16") else 4
    return 2 * layers * _count(config, "num_key_value_heads", default=heads) * size * width


def _count(config: dict[str, Any], *names: str, default: int) -> int:
    """Whoever made the model may have written anything there."""
    found = (config.get(name) for name in names)
    return next((number for number in found if type(number) is int and 0 < number <= MOST_COUNTED), default)


def _dtype(config: dict[str, Any] | None) -> str:
    """As the model declares it; transformers had another word for it before."""
    return "" if config is None else str(config.get("dtype") or config.get("torch_dtype"))


def _file_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = read_bounded_json(path)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
