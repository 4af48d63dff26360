"""Architectures of the hub's models, made from their configurations: random weights, some 100,000 parameters each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedTokenizerBase

CONTEXT = 256
SPREAD = 0.25
"""The standard deviation of the weights: with the usual 0.02, a model's best two tokens would be all but equal."""

Fields = dict[str, Any]


@dataclass(frozen=True)
class Architecture:
    name: str
    traits: str
    """What is particular to it, as a user would look for it."""
    fields: Callable[[], Fields]
    """Makes the fields of its configuration, without those of the tokenizer."""
    model_type: str = ""
    """The configuration's `model_type`, where it is not the name."""

    def config(self, tokenizer: PreTrainedTokenizerBase) -> PreTrainedConfig:
        ids = {
            "vocab_size": len(tokenizer),
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        }
        return AutoConfig.for_model(self.model_type or self.name, **{**ids, **self.fields()})

    def make(self, folder: Path, tokenizer: PreTrainedTokenizerBase, *, dtype: torch.dtype = torch.float32) -> Path:
        """Saves a model of random weights, the same at each call, with the tokenizer."""
        torch.manual_seed(1)
        model = AutoModelForCausalLM.from_config(self.config(tokenizer))
        model.to(dtype).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder


def llama_like(**own: Any) -> Callable[[], Fields]:
    """Returns a maker of the fields that most architectures have since Llama: two layers of four heads."""
    common: Fields = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": CONTEXT,
        "initializer_range": SPREAD,
        "tie_word_embeddings": False,
    }
    return lambda: {**common, **own}


def experts(**own: Any) -> Callable[[], Fields]:
    """Returns a maker of the fields of a mixture of four experts, two of which compute a token."""
    return llama_like(**{"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, **own})


def plain_heads(**own: Any) -> Callable[[], Fields]:
    """Returns a maker of the fields of architectures that have no grouped queries."""
    common: Fields = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": CONTEXT,
        "initializer_range": SPREAD,
        "tie_word_embeddings": False,
    }
    return lambda: {**common, **own}


def gpt2_like(**own: Any) -> Callable[[], Fields]:
    """Returns a maker of GPT-2's fields, without dropout: its draws depend on a batch's length, and rows of Finery's
    fallback template have two masked tokens at their end that TRL's have not."""
    common = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT, "initializer_range": SPREAD}
    return lambda: {**common, "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0, **own}


ARCHITECTURES: tuple[Architecture, ...] = (
    Architecture("llama", "dense, grouped-query, untied", llama_like()),
    Architecture("llama-tied", "dense, tied", llama_like(tie_word_embeddings=True), "llama"),
    Architecture("qwen2", "dense, biases, tied", llama_like(tie_word_embeddings=True)),
    Architecture("qwen3", "dense, normed queries and keys, untied", llama_like()),
    Architecture("mistral", "dense, sliding window", llama_like(sliding_window=16)),
    Architecture("gemma", "dense, multi-query, tied", llama_like(num_key_value_heads=1, tie_word_embeddings=True)),
    Architecture(
        "gemma2",
        "dense, soft-capped logits, sliding and full attention in turn, tied",
        llama_like(sliding_window=16, query_pre_attn_scalar=8, tie_word_embeddings=True),
    ),
    Architecture(
        "gemma3_text",
        "dense, sliding and full attention, tied",
        llama_like(
            sliding_window=16,
            query_pre_attn_scalar=8,
            tie_word_embeddings=True,
            layer_types=["sliding_attention", "full_attention"],
        ),
    ),
    Architecture("phi3", "dense, joined projections, untied", llama_like()),
    Architecture("olmo2", "dense, norms after the blocks, untied", llama_like()),
    Architecture(
        "smollm3", "dense, a layer without positions, tied", llama_like(no_rope_layers=[1, 0], tie_word_embeddings=True)
    ),
    Architecture(
        "granite", "dense, scaled residuals and logits, tied", llama_like(tie_word_embeddings=True, logits_scaling=2.0)
    ),
    Architecture("cohere", "dense, attention beside the MLP, tied", llama_like(tie_word_embeddings=True)),
    Architecture("glm4", "dense, partly rotary, untied", llama_like()),
    Architecture("starcoder2", "dense, multi-query, tied", llama_like(num_key_value_heads=1, tie_word_embeddings=True)),
    Architecture("stablelm", "dense, partly rotary, untied", llama_like()),
    Architecture(
        "gpt_neox", "dense, attention beside the MLP, partly rotary, untied", plain_heads(intermediate_size=64)
    ),
    Architecture("phi", "dense, attention beside the MLP, partly rotary, untied", llama_like()),
    Architecture("gpt2", "dense, learned positions, tied", gpt2_like()),
    Architecture("gpt_bigcode", "dense, learned positions, multi-query, tied", gpt2_like(multi_query=True)),
    Architecture(
        "opt",
        "dense, learned positions, tied",
        lambda: {
            "hidden_size": 32,
            "word_embed_proj_dim": 32,
            "ffn_dim": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": CONTEXT,
            "init_std": SPREAD,
            "dropout": 0.0,
        },
    ),
    Architecture(
        "gptj",
        "dense, attention beside the MLP, rotary, untied",
        lambda: {**gpt2_like()(), "rotary_dim": 4},
    ),
    Architecture(
        "bloom",
        "dense, ALiBi, tied",
        lambda: {"hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": SPREAD},
    ),
    Architecture(
        "mpt",
        "dense, ALiBi, tied",
        lambda: {"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": CONTEXT, "initializer_range": SPREAD},
    ),
    Architecture("falcon", "dense, multi-query, rotary, tied", plain_heads(tie_word_embeddings=True)),
    Architecture(
        "falcon-alibi",
        "dense, ALiBi, tied",
        plain_heads(tie_word_embeddings=True, alibi=True, multi_query=False, parallel_attn=False, bias=True),
        "falcon",
    ),
    Architecture("mixtral", "mixture of experts, untied", llama_like(num_local_experts=4)),
    Architecture(
        "qwen2_moe", "mixture of experts with a shared one, untied", experts(shared_expert_intermediate_size=32)
    ),
    Architecture("qwen3_moe", "mixture of experts, untied", experts()),
    Architecture("olmoe", "mixture of experts, untied", experts()),
    Architecture(
        "granitemoe",
        "mixture of experts, tied",
        llama_like(num_local_experts=4, num_experts_per_tok=2, tie_word_embeddings=True),
    ),
    Architecture(
        "gpt_oss",
        "mixture of experts, sliding and full attention, sinks, untied",
        llama_like(num_local_experts=4, num_experts_per_tok=2, sliding_window=16),
    ),
    Architecture(
        "deepseek_v3",
        "mixture of experts, latent attention, untied",
        llama_like(
            num_key_value_heads=4,
            n_routed_experts=4,
            num_experts_per_tok=2,
            n_group=1,
            topk_group=1,
            n_shared_experts=1,
            first_k_dense_replace=1,
            moe_intermediate_size=32,
            q_lora_rank=16,
            kv_lora_rank=16,
            qk_nope_head_dim=8,
            qk_rope_head_dim=8,
            v_head_dim=8,
        ),
    ),
    Architecture(
        "qwen3_next",
        "mixture of experts, linear and full attention, untied",
        experts(
            shared_expert_intermediate_size=32,
            linear_num_value_heads=4,
            linear_num_key_heads=2,
            linear_key_head_dim=8,
            linear_value_head_dim=8,
            layer_types=["linear_attention", "full_attention"],
        ),
    ),
    Architecture(
        "lfm2",
        "convolutions and full attention, tied",
        llama_like(layer_types=["conv", "full_attention"], tie_word_embeddings=True),
    ),
    Architecture(
        "mamba",
        "state space, no attention, tied",
        lambda: {"hidden_size": 32, "state_size": 8, "num_hidden_layers": 2, "initializer_range": SPREAD},
    ),
)
