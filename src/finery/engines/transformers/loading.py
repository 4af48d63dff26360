"""Loads a model, with its adapter, and its tokenizer from a folder or the hub: safetensors only, no foreign code."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from finery.contracts.chat_prompts import fallback_template
from finery.contracts.model_folder import ADAPTER_CONFIG, CONFIG, OTHER_BASE, base_has_changed, base_of, is_adapter
from finery.engines.base import Dtype, Quantization

# Pickled weights are not downloaded: unpickling runs whatever code they hold.
HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")
MEMORY_WORDS = (
    "out of memory",
    "can't allocate memory",
    "Cannot allocate memory",
    "bad_alloc",
    "is more than available memory",
)
"""How libraries report a lack of memory, in exceptions of several types."""
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")


SERVING_SETTINGS = {
    "use_cache": True,
    "output_router_logits": False,
    "output_attentions": False,
    "output_hidden_states": False,
}


class ModelNotLoadable(Exception):
    """The model cannot be served; the message is for the user who named it."""


@dataclass(frozen=True)
class LoadedModel:
    model: PreTrainedModel
    """Without generation settings of its own, so that nothing alters its scores but what a request asks for."""
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    defaults: GenerationConfig
    """The model's generation settings, for requests that do not say."""


def lacks_memory(reason: str) -> bool:
    """Returns whether an error's text reports a lack of memory."""
    return any(words in reason for words in MEMORY_WORDS)


def load_model(
    source: str, *, dtype: Dtype, quantization: Quantization | None, chat_template: str | None = None
) -> LoadedModel:
    """Loads the model that `source`, a folder or hub id, names. `chat_template` replaces the tokenizer's own.

    Raises ModelNotLoadable, and whatever the libraries raise on a broken folder.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    folder = find_folder(source)
    model = _load_weights(folder, dtype=dtype, quantization=quantization, device=device, outer=())
    defaults, model.generation_config = model.generation_config, GenerationConfig()
    return LoadedModel(model.eval(), _load_tokenizer(folder, chat_template), device, defaults)


def find_folder(source: str) -> Path:
    """Returns the folder of a path or a hub id, downloaded if need be. Raises ModelNotLoadable."""
    path = Path(source).expanduser()
    if path.is_dir():
        return path.resolve()
    if path.exists():
        raise ModelNotLoadable(f"{source} is a file, not a model's folder.")
    if path.is_absolute() or source.startswith((".", "~")) or source.count("/") > 1:
        raise ModelNotLoadable(f"{source}: no such folder.")
    return Path(snapshot_download(source, allow_patterns=HUB_FILES))


def _load_weights(
    folder: Path,
    *,
    dtype: Dtype,
    quantization: Quantization | None,
    device: torch.device,
    outer: tuple[Path, ...],
) -> PreTrainedModel:
    if folder in outer:
        raise ModelNotLoadable(f"{folder} is an adapter on itself.")
    _require_safetensors(folder)
    if not is_adapter(folder):
        return _load_base(folder, dtype=dtype, quantization=quantization, device=device)
    base_folder = _base_of_adapter(folder)
    if base_has_changed(folder, str(base_folder)):
        raise ModelNotLoadable(OTHER_BASE.format(adapter=folder, base=base_folder))
    base = _load_weights(base_folder, dtype=dtype, quantization=quantization, device=device, outer=(*outer, folder))
    return _apply_adapter(base, folder, merge=quantization is None)


def _require_safetensors(folder: Path) -> None:
    if any(folder.glob("*.safetensors")):
        return
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles:
        raise ModelNotLoadable(
            f"{folder} holds its weights as pickles ({', '.join(pickles[:3])}), which can run code when loaded; "
            "convert them to safetensors."
        )
    raise ModelNotLoadable(f"{folder} holds no *.safetensors file, so it is no model.")


def _load_base(
    folder: Path, *, dtype: Dtype, quantization: Quantization | None, device: torch.device
) -> PreTrainedModel:
    if not (folder / CONFIG).is_file():
        raise ModelNotLoadable(f"{folder} holds no config.json, so it is no model.")
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    _for_serving(config)
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        folder,
        config=config,
        dtype=_choose_dtype(dtype, declared=config.dtype, device=device),
        quantization_config=_quantization_config(quantization),
        device_map={"": device} if quantization else None,
        use_safetensors=True,
        trust_remote_code=False,
    )
    return model if quantization else model.to(device)


def _for_serving(config: PretrainedConfig) -> None:
    """Takes back what trainers set for their own use, and some save: a forward that returns more than logits, or keeps
    no cache.
    """
    for part in {id(part): part for part in (config, config.get_text_config())}.values():
        settings = part.to_dict()
        for name, value in SERVING_SETTINGS.items():
            if name in settings:
                setattr(part, name, value)


def _choose_dtype(dtype: Dtype, *, declared: torch.dtype | None, device: torch.device) -> torch.dtype:
    if dtype != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[dtype]
    if declared is None:
        return torch.float32
    # Without these instructions bfloat16 is emulated, several times slower than float32.
    has_bfloat16 = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    if device.type == "cpu" and not (declared == torch.bfloat16 and has_bfloat16):
        return torch.float32
    return declared


def _quantization_config(quantization: Quantization | None) -> BitsAndBytesConfig | None:
    if quantization is None:
        return None
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelNotLoadable(f"--load-in-{quantization} needs the package bitsandbytes, which is not installed.")
    return BitsAndBytesConfig(load_in_8bit=quantization == "8bit", load_in_4bit=quantization == "4bit")


def _base_of_adapter(folder: Path) -> Path:
    """Returns the folder of an adapter's base. Raises ModelNotLoadable."""
    base = base_of(folder)
    if base is None:
        raise ModelNotLoadable(f"{folder / ADAPTER_CONFIG} names no base model: an adapter on itself, or on nothing.")
    if Path(base).is_dir():
        return Path(base).resolve()
    try:
        return find_folder(base)
    except ModelNotLoadable as error:
        raise ModelNotLoadable(f"The base model of the adapter {folder} is not there: {error}") from error


def _apply_adapter(base: PreTrainedModel, folder: Path, *, merge: bool) -> PreTrainedModel:
    """Applies an adapter. A merged one costs no time per token, but merging would round quantized weights again."""
    from peft import PeftModel

    adapted = PeftModel.from_pretrained(base, folder)
    merged: PreTrainedModel = adapted.merge_and_unload() if merge else adapted.get_base_model()
    return merged


def _load_tokenizer(folder: Path, chat_template: str | None) -> PreTrainedTokenizerBase:
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        _tokenizer_folder(folder), trust_remote_code=False
    )
    if chat_template is not None:
        tokenizer.chat_template = chat_template
    elif tokenizer.chat_template is None:
        tokenizer.chat_template = fallback_template(tokenizer)
    return tokenizer


def _tokenizer_folder(folder: Path) -> Path:
    """Returns the folder that holds the tokenizer: an adapter's own, or else its base's. Raises ModelNotLoadable."""
    while not any((folder / name).is_file() for name in TOKENIZER_FILES):
        if not is_adapter(folder):
            raise ModelNotLoadable(f"{folder} holds no tokenizer.")
        folder = _base_of_adapter(folder)
    return folder
