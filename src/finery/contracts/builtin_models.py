"""Names, sizes and context of the built-in models, which need no hub; `trainers.builtin` makes them on first use."""

BUILTIN_MODELS: dict[str, str] = {
    "finery/tiny-llama": "Llama of about 1.4 million parameters, untrained; learns the shipped samples in a minute",
    "finery/tiny-qwen": "the same size in the Qwen 3 architecture, untrained",
    "finery/tiny-llama-instruct": "finery/tiny-llama after full SFT on the shipped instructions: a base for adapters",
}

BUILTIN_PARAMETERS: dict[str, int] = dict.fromkeys(BUILTIN_MODELS, 1_400_000)
BUILTIN_CONTEXT = 1024
"""Tokens."""
