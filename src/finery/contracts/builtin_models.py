"""Names, sizes and context of the built-in models, which need no hub; `trainers.builtin` makes them on first use."""

from datetime import UTC, datetime

BUILTIN_MODELS: dict[str, str] = {
    "finery/tiny-llama": "Llama of about 1.4 million parameters, untrained; learns the shipped samples in a minute",
    "finery/tiny-qwen": "the same size in the Qwen 3 architecture, untrained",
    "finery/tiny-llama-instruct": "finery/tiny-llama after full SFT on the shipped instructions: a base for adapters",
}

BUILTIN_CREATED = datetime(2026, 11, 29, tzinfo=UTC)
"""When they were made as they are: every server makes the same."""
BUILTIN_PARAMETERS: dict[str, int] = dict.fromkeys(BUILTIN_MODELS, 1_400_000)
BUILTIN_CONTEXT = 1024
"""Tokens."""
BUILTIN_TENSORS: dict[str, tuple[int, ...]] = {
    "model.embed_tokens.weight": (4096, 128),
    **{
        f"model.layers.{layer}.{name}.weight": shape
        for layer in range(4)
        for name, shape in {
            **{f"self_attn.{name}": (128, 128) for name in ("q_proj", "k_proj", "v_proj", "o_proj")},
            **{f"mlp.{name}": (384, 128) for name in ("gate_proj", "up_proj")},
            "mlp.down_proj": (128, 384),
            **dict.fromkeys(("input_layernorm", "post_attention_layernorm"), (128,)),
        }.items()
    },
    "model.norm.weight": (128,),
}
"""Shapes of their tensors (of tiny-qwen's, two are smaller and two more are there); the head is the embedding."""
