"""Sizes the cache of keys and values that all requests of an engine share."""

from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from finery.contracts.model_folder import context_length, dimensions
from finery.engines.transformers.loading import LoadedModel, ModelNotLoadable

PAGE_TOKENS = 256
CPU_CACHE_BYTES = 2 * 1024**3
CUDA_CACHE_SHARE = 0.5
CONTEXTS_IN_CACHE = 8
FALLBACK_CONTEXT = 2048


@dataclass(frozen=True)
class CacheSize:
    context: int
    """The largest number of tokens of a prompt and its answer together."""
    blocks: int
    """The number of blocks of PAGE_TOKENS tokens."""

    @property
    def tokens(self) -> int:
        return self.blocks * PAGE_TOKENS

    @classmethod
    def for_model(
        cls, loaded: LoadedModel, *, max_context: int | None, cache_bytes: int | None = None, kv_blocks: int | None
    ) -> "CacheSize":
        """Returns the size within the bounds that are not None. Raises ModelNotLoadable."""
        longest = context_length(_text_settings(loaded.model)) or FALLBACK_CONTEXT
        context = max_context or longest
        blocks = kv_blocks or default_kv_blocks(loaded.model, loaded.device, context=context, limit=cache_bytes)
        return cls(context=min(context, longest, blocks * PAGE_TOKENS), blocks=blocks)


def default_kv_blocks(model: PreTrainedModel, device: torch.device, *, context: int, limit: int | None = None) -> int:
    """Returns blocks of PAGE_TOKENS for several whole contexts, or for a bounded share of the memory if that is less.

    Left to itself, transformers takes more than half of the machine's memory. What a token takes is unknown of a model
    without attention; it is small. Raises ModelNotLoadable.
    """
    wanted = CONTEXTS_IN_CACHE * -(-context // PAGE_TOKENS)
    sizes = dimensions(_text_settings(model))
    if sizes is None:
        return wanted
    on_cuda = device.type == "cuda"
    memory = int(torch.cuda.mem_get_info(device)[0] * CUDA_CACHE_SHARE) if on_cuda else CPU_CACHE_BYTES
    memory = memory if limit is None else min(memory, limit)
    affordable = memory // (PAGE_TOKENS * sizes.cache_bytes_per_token(model.dtype.itemsize))
    if affordable < 1:
        raise ModelNotLoadable(f"The memory left beside the model ({memory} bytes for the cache) holds no context.")
    return int(min(wanted, affordable))


def _text_settings(model: PreTrainedModel) -> dict[str, Any]:
    """Returns the configuration with the common names beside an architecture's own: GPT-2 says `n_head`."""
    config = model.config.get_text_config()
    settings: dict[str, Any] = config.to_dict()
    return settings | {name: settings[own] for name, own in config.attribute_map.items() if own in settings}
