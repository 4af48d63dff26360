"""Models of real shapes with random weights, and rows for them: nothing is downloaded."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from finery.trainers.builtin.tokenizer import train_tokenizer

Fields = dict[str, Any]


CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '' if loop.first else '\\n' }}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{{ message['content'] + '<|im_end|>' }}{% endfor %}{{ '\\n<|im_start|>assistant\\n' if add_generation_prompt }}"
)
"""ChatML with the line break before a turn. After it, TRL would learn the break too, and Finery, by design, not."""


@dataclass(frozen=True)
class Scale:
    """How large the models and rows are."""

    dense: Fields
    mixture: Fields
    max_length: int
    batch_size: int
    steps: int
    rows: int


_ROTARY: Fields = {"tie_word_embeddings": False, "initializer_range": 0.02}
REAL = Scale(
    # Llama 3.2 1B, and a mixture of its width with 16 experts: 1.0 and 1.8 thousand million parameters.
    dense={
        **_ROTARY,
        "vocab_size": 32_000,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "max_position_embeddings": 8192,
    },
    mixture={
        **_ROTARY,
        "vocab_size": 32_000,
        "hidden_size": 2048,
        "intermediate_size": 1024,
        "moe_intermediate_size": 1024,
        "num_experts": 16,
        "num_experts_per_tok": 2,
        "num_hidden_layers": 12,
        "num_attention_heads": 16,
        "num_key_value_heads": 4,
        "head_dim": 128,
        "max_position_embeddings": 8192,
    },
    max_length=512,
    batch_size=8,
    steps=12,
    rows=128,
)
TINY = Scale(
    dense={
        **_ROTARY,
        "vocab_size": 4096,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 512,
    },
    mixture={
        **_ROTARY,
        "vocab_size": 4096,
        "hidden_size": 64,
        "intermediate_size": 64,
        "moe_intermediate_size": 64,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 512,
    },
    max_length=64,
    batch_size=4,
    steps=5,
    rows=20,
)


def make_model(folder: Path, fields: Fields, *, dtype: torch.dtype) -> Path:
    """Saves a Qwen3, or with experts a Qwen3-MoE, of random weights; a folder that is there is taken as it is."""
    if folder.exists():
        return folder
    tokenizer = train_tokenizer()
    tokenizer.chat_template = CHAT_TEMPLATE
    config = AutoConfig.for_model(
        "qwen3_moe" if "num_experts" in fields else "qwen3",
        **fields,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype=dtype,
    )
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(config)
    partial = folder.with_name(f"{folder.name}.partial")
    model.to(dtype).save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    partial.rename(folder)
    return folder


def write_chats(path: Path, scale: Scale) -> Path:
    """Writes rows that fill most of `max_length`, as prompt and completion, which TRL reads as Finery does."""
    return _write(path, [{"prompt": _ask(number), "completion": _say(number, scale)} for number in range(scale.rows)])


def write_preferences(path: Path, scale: Scale) -> Path:
    rows = [
        {"prompt": _ask(number), "chosen": _say(number, scale), "rejected": _say(number + 7, scale)}
        for number in range(scale.rows)
    ]
    return _write(path, rows)


def _ask(number: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"What is the iron of day {number}?"}]


def _say(number: int, scale: Scale) -> list[dict[str, str]]:
    words = " ".join(f"The smith keeps fire {number + index}." for index in range(scale.max_length // 16))
    return [{"role": "assistant", "content": words}]


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
