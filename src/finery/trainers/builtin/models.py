"""Builds the built-in models: small Llama and Qwen architectures with random weights."""

from typing import Any, Literal

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from finery.trainers.builtin.tokenizer import MAX_LENGTH, VOCABULARY_SIZE

SEED = 20250301
INITIAL_RANGE = 0.05
"""Instead of the usual 0.02, which suits wide models: with 128 units the samples are learned in half the steps."""


def build_model(architecture: Literal["llama", "qwen"], tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """Returns a model with random weights, the same each time."""
    shared: dict[str, Any] = {
        "vocab_size": VOCABULARY_SIZE,
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "max_position_embeddings": MAX_LENGTH,
        "tie_word_embeddings": True,
        "initializer_range": INITIAL_RANGE,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        if architecture == "qwen":
            return Qwen3ForCausalLM(Qwen3Config(**shared, num_key_value_heads=2, head_dim=32))
        return LlamaForCausalLM(LlamaConfig(**shared, num_key_value_heads=4))
