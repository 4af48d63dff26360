"""A model's folder as its files describe it: what an adapter is for, how long a context is, how wide the model is.

Everybody who has to know reads it here, so that what is planned, trained and served is the same model. Whoever made the
folder may have written anything: what makes no sense is as good as not there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finery.kit.files import LARGEST_JSON, open_regular, read_bounded_json, write_json
from finery.kit.hub_cache import cached_snapshot
from finery.kit.weights import hash_weights

CONFIG = "config.json"
ADAPTER_CONFIG = "adapter_config.json"
BASE_RECORD = "finery_base.json"
"""Beside an adapter that was made here: by what its base is known again."""
OTHER_BASE = "the adapter {adapter} was trained on other weights than {base} holds now; put those back"

CONTEXT_NAMES = ("max_position_embeddings", "n_positions", "seq_length", "max_sequence_length")
MOST_COUNTED = 2**24
"""Layers, units, words, tokens: what a model's maker wrote beyond that is no model's."""
DEEPEST = 8
"""Adapters on adapters."""


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
        """Of a token's keys and values in all layers, where a number takes `number_bytes`."""
        return 2 * self.layers * self.key_values * number_bytes


def is_adapter(folder: Path) -> bool:
    return (folder / ADAPTER_CONFIG).is_file()


def adapter_config(folder: Path) -> dict[str, Any]:
    """Empty where there is none that can be read."""
    return _read(folder / ADAPTER_CONFIG)


def base_of(folder: Path) -> str | None:
    """What an adapter was trained on: a folder, which may be named from the adapter's own, or a hub's id.

    None for a whole model, and for an adapter that names nothing but itself.
    """
    base = adapter_config(folder).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        return None
    beside = folder / base
    if beside.is_dir():
        return None if beside.samefile(folder) else str(beside)
    return base


def record_base(folder: Path, base: str) -> None:
    """Write down what weights an adapter is trained on. Of a hub's model, those of the version in the cache."""
    weights = _hash_of_base(base)
    if weights is not None:
        write_json(folder / BASE_RECORD, {"weights": weights})


def base_has_changed(adapter: Path, base: str) -> bool:
    """Tell whether an adapter says that it was trained on other weights than `base` holds now. Raises OSError."""
    recorded = _read(adapter / BASE_RECORD).get("weights")
    return recorded is not None and _hash_of_base(base) not in (None, recorded)


def _hash_of_base(base: str) -> str | None:
    """None where its files are not here."""
    folder = Path(base) if Path(base).is_absolute() else cached_snapshot(base)
    return None if folder is None else hash_weights(folder)


def whole_model(model: str, folder_of: Callable[[str], Path | None]) -> str:
    """What `model` is an adapter of, through all adapters between them, or itself.

    `folder_of`: where a model's files are; None where they are not here.
    """
    for _ in range(DEEPEST):
        folder = folder_of(model)
        base = None if folder is None else base_of(folder)
        if base is None:
            break
        model = base
    return model


def text_config(folder: Path) -> dict[str, Any]:
    """What config.json says of the part that reads and writes text; empty where there is none that can be read."""
    return text_part(_read(folder / CONFIG))


def text_part(config: Mapping[str, Any]) -> dict[str, Any]:
    """A model of text and images has a configuration for each."""
    nested = config.get("text_config")
    return dict(nested if isinstance(nested, Mapping) and nested else config)


def context_length(config: Mapping[str, Any]) -> int | None:
    """Tokens, by the text part of a configuration; None where it does not say."""
    return _first(config, *CONTEXT_NAMES)


def dimensions(config: Mapping[str, Any]) -> Dimensions | None:
    """By the text part of a configuration, in the words of Llama's or of GPT-2's; None where it says too little."""
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
    """As the model's maker declares it, empty where nobody does; transformers had another word for it before."""
    return str(config.get("dtype") or config.get("torch_dtype") or "")


def chat_template(folder: Path) -> str | None:
    """The one that lies beside a model; None for a model that brings none."""
    try:
        with open_regular(folder / "chat_template.jinja") as file:
            return file.read(LARGEST_JSON).decode("utf-8")
    except (OSError, ValueError):
        template = _read(folder / "tokenizer_config.json").get("chat_template")
    return template if isinstance(template, str) else None


def _first(config: Mapping[str, Any], *names: str) -> int | None:
    found = (config.get(name) for name in names)
    return next((number for number in found if type(number) is int and 0 < number <= MOST_COUNTED), None)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = read_bounded_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
