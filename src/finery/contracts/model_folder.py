"""Reads what a model's folder says of itself: an adapter's base, context length, dimensions, chat template.

Planning, training and serving all read it here, so that they agree on what the model is. The files are untrusted:
values that make no sense count as absent.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finery.kit.files import LARGEST_JSON, open_regular, read_bounded_json, write_json
from finery.kit.hub_cache import cached_snapshot
from finery.kit.weights import hash_weights

CONFIG = "config.json"
ADAPTER_CONFIG = "adapter_config.json"
BASE_RECORD = "finery_base.json"
"""Lies beside an adapter that was trained here, and identifies its base by a hash of the weights."""
OTHER_BASE = "the adapter {adapter} was trained on other weights than {base} holds now; put those back"

CONTEXT_NAMES = ("max_position_embeddings", "n_positions", "seq_length", "max_sequence_length")
MOST_COUNTED = 2**24
"""Upper bound of a plausible number of layers, units, words or tokens."""
DEEPEST = 8
"""How many adapters may stand on each other."""


@dataclass(frozen=True, kw_only=True)
class Dimensions:
    hidden: int
    layers: int
    vocabulary: int | None
    heads: int
    intermediate: int
    """The width of the feed-forward block."""
    key_values: int
    """The width of all keys of a layer, which is that of all values."""

    def cache_bytes_per_token(self, number_bytes: int) -> int:
        """Returns the size of one token's keys and values in all layers, at `number_bytes` per number."""
        return 2 * self.layers * self.key_values * number_bytes


def is_adapter(folder: Path) -> bool:
    return (folder / ADAPTER_CONFIG).is_file()


def adapter_config(folder: Path) -> dict[str, Any]:
    """Returns the adapter's configuration; empty if there is none that can be read."""
    return _read(folder / ADAPTER_CONFIG)


def base_of(folder: Path) -> str | None:
    """Returns an adapter's base model: a folder, which may be given relative to the adapter's own, or a hub id.

    Returns None for a whole model, and for an adapter that names itself.
    """
    base = adapter_config(folder).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        return None
    beside = folder / base
    if beside.is_dir():
        return None if beside.samefile(folder) else str(beside)
    return base


def record_base(folder: Path, base: str) -> None:
    """Stores a hash of the base's weights beside an adapter; of a hub's model, of the cached version."""
    weights = _hash_of_base(base)
    if weights is not None:
        write_json(folder / BASE_RECORD, {"weights": weights})


def base_has_changed(adapter: Path, base: str) -> bool:
    """Returns whether the adapter was trained on other weights than `base` has now. Raises OSError."""
    recorded = _read(adapter / BASE_RECORD).get("weights")
    return recorded is not None and _hash_of_base(base) not in (None, recorded)


def _hash_of_base(base: str) -> str | None:
    """Returns the hash of the base's weights; None if its files are not on this machine."""
    folder = Path(base) if Path(base).is_absolute() else cached_snapshot(base)
    return None if folder is None else hash_weights(folder)


def whole_model(model: str, folder_of: Callable[[str], Path | None]) -> str:
    """Returns the whole model below `model`, through all adapters between them; `model` itself if it is no adapter.

    `folder_of` returns the folder of a model's files; None if they are not on this machine.
    """
    for _ in range(DEEPEST):
        folder = folder_of(model)
        base = None if folder is None else base_of(folder)
        if base is None:
            break
        model = base
    return model


def local_folder(model: str) -> Path | None:
    """Returns the folder of a model's files, also of a hub's model that is in the cache; None if it is not here."""
    path = Path(model)
    return path if path.is_absolute() else cached_snapshot(model)


def text_config(folder: Path) -> dict[str, Any]:
    """Returns the text part of config.json; empty if there is none that can be read."""
    return text_part(_read(folder / CONFIG))


def text_part(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the text part of a configuration: a model of text and images nests one for each."""
    nested = config.get("text_config")
    return dict(nested if isinstance(nested, Mapping) and nested else config)


def context_length(config: Mapping[str, Any]) -> int | None:
    """Returns the context length in tokens from a text configuration; None if it has none."""
    return _first(config, *CONTEXT_NAMES)


def longest_input(config: Mapping[str, Any]) -> int | None:
    """Returns the most tokens that a model takes at once, from a text configuration: its learned positions, or the
    context of its rotary ones after scaling. None if it tells of no bound, as with ALiBi, whose positions have none.
    """
    context = context_length(config)
    if context is None or _has_alibi(config):
        return None
    scaling = config.get("rope_parameters") or config.get("rope_scaling")
    return max([context, *_scaled_contexts(scaling, context)])


def vocabulary_size(config: Mapping[str, Any]) -> int | None:
    """Returns how many tokens the embedding has, from a text configuration; None if it does not tell."""
    return _first(config, "vocab_size")


def dimensions(config: Mapping[str, Any]) -> Dimensions | None:
    """Reads a text configuration with Llama's or GPT-2's keys. Returns None if required ones are missing."""
    hidden, layers = _first(config, "hidden_size", "n_embd", "d_model"), _first(config, "num_hidden_layers", "n_layer")
    heads = _first(config, "num_attention_heads", "n_head")
    if hidden is None or layers is None or heads is None:
        return None
    head = _first(config, "head_dim") or max(1, hidden // heads)
    return Dimensions(
        hidden=hidden,
        layers=layers,
        vocabulary=_first(config, "vocab_size"),
        heads=heads,
        intermediate=_first(config, "intermediate_size", "n_inner") or 4 * hidden,
        key_values=(_first(config, "num_key_value_heads") or heads) * head,
    )


def declared_dtype(config: Mapping[str, Any]) -> str:
    """Returns the declared dtype, or an empty text. Older versions of transformers wrote `torch_dtype`."""
    return str(config.get("dtype") or config.get("torch_dtype") or "")


def chat_template(folder: Path) -> str | None:
    """Returns the chat template in the model's folder; None if it has none."""
    try:
        with open_regular(folder / "chat_template.jinja") as file:
            return file.read(LARGEST_JSON).decode("utf-8")
    except (OSError, ValueError):
        template = _read(folder / "tokenizer_config.json").get("chat_template")
    return template if isinstance(template, str) else None


def _has_alibi(config: Mapping[str, Any]) -> bool:
    attention = config.get("attn_config")
    nested = attention.get("alibi") if isinstance(attention, Mapping) else None
    by_name = config.get("model_type") == "bloom" or config.get("position_embedding_type") == "alibi"
    return by_name or config.get("alibi") is True or nested is True


def _scaled_contexts(scaling: object, context: int) -> Iterator[int]:
    """Yields the context of each kind of scaling; some models have one for each kind of layer.

    `context` is what a factor multiplies where the model does not name the length that it was trained on before. Where
    it is the scaled one already, the bound is too high: better than refusing what the model can do.
    """
    if not isinstance(scaling, Mapping):
        return
    for part in (scaling, *scaling.values()):
        factor = part.get("factor") if isinstance(part, Mapping) else None
        if isinstance(factor, (int, float)) and math.isfinite(factor):
            yield int(factor * (_first(part, "original_max_position_embeddings") or context))


def _first(config: Mapping[str, Any], *names: str) -> int | None:
    values = (config.get(name) for name in names)
    return next((number for number in values if type(number) is int and 0 < number <= MOST_COUNTED), None)


def _read(path: Path) -> dict[str, Any]:
    try:
        value = read_bounded_json(path)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
