"""Small models of foreign architectures, made from configurations in a second, with the tokenizer of a built-in one."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BloomConfig,
    GptOssConfig,
    PretrainedConfig,
    Qwen3MoeConfig,
)

SIZES: dict[str, Any] = {
    "vocab_size": 4096,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "bos_token_id": None,
    "pad_token_id": None,
}
ROTARY = {**SIZES, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 1024}
EXPERTS = {"num_experts_per_tok": 2, "router_aux_loss_coef": 0.01}
CONFIGS: dict[str, PretrainedConfig] = {
    "qwen3_moe": Qwen3MoeConfig(
        **ROTARY, **EXPERTS, intermediate_size=64, moe_intermediate_size=32, num_experts=4, dtype="bfloat16"
    ),
    "gpt_oss": GptOssConfig(
        **ROTARY,
        **EXPERTS,
        intermediate_size=32,
        num_local_experts=4,
        sliding_window=128,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        dtype="bfloat16",
    ),
    "bloom": BloomConfig(**SIZES),
}


def make(folder: Path, architecture: str, tokenizer_of: Path) -> Path:
    """Writes a model with random weights, in the precision of its configuration, and generation settings of its own."""
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_of)
    config = CONFIGS[architecture]
    config.eos_token_id = tokenizer.eos_token_id
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    model.generation_config.update(do_sample=True, temperature=0.7, top_k=20, eos_token_id=config.eos_token_id)
    model.to(config.dtype or torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
