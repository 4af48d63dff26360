"""Tiny models of many architectures, with weights large enough that a mistake in their attention shows."""

import threading
from asyncio import AbstractEventLoop, new_event_loop
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, GenerationConfig, PretrainedConfig, PreTrainedModel

from finery.engines.transformers.loading import LoadedModel
from tests.engines.tiny import CONTEXT, make_tokenizer

# Threads that wait spinning for a core that another worker has make everything ten times slower.
torch.set_num_threads(1)

SPREAD = 0.3
SIZES = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
LLAMA = {**SIZES, "intermediate_size": 128, "num_key_value_heads": 2, "max_position_embeddings": CONTEXT}
HEADS = {**LLAMA, "head_dim": 16}
GPT = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2}

Settings = dict[str, Any]
CONTINUOUS: dict[str, tuple[str, Settings]] = {
    "llama": ("Llama", LLAMA),
    "gpt2": ("GPT2", GPT),
    "qwen3_moe": ("Qwen3Moe", {**HEADS, **EXPERTS, "moe_intermediate_size": 32}),
    "gpt_oss": ("GptOss", {**HEADS, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "opt": ("OPT", {**SIZES, "ffn_dim": 128, "word_embed_proj_dim": 64, "max_position_embeddings": CONTEXT}),
    "gpt_neox": ("GPTNeoX", {**SIZES, "intermediate_size": 128, "max_position_embeddings": CONTEXT}),
    "gpt_bigcode": ("GPTBigCode", GPT),
    "gemma3_text": ("Gemma3Text", {**HEADS, "sliding_window": 16, "query_pre_attn_scalar": 16}),
    "mistral": ("Mistral", {**LLAMA, "sliding_window": 16}),
    "mixtral": ("Mixtral", {**LLAMA, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "qwen2": ("Qwen2", LLAMA),
    "phi": ("Phi", LLAMA),
    "cohere": ("Cohere", LLAMA),
}
PLAIN: dict[str, tuple[str, Settings]] = {
    "bloom": ("Bloom", {"hidden_size": 64, "n_layer": 2, "n_head": 4}),
    "falcon": ("Falcon", SIZES),
    "falcon_alibi": ("Falcon", {**SIZES, "alibi": True, "multi_query": False, "parallel_attn": False}),
    "gptj": ("GPTJ", {**GPT, "rotary_dim": 8}),
    "mpt": ("Mpt", {"d_model": 64, "n_layers": 2, "n_heads": 4, "max_seq_len": CONTEXT}),
    "gemma2": ("Gemma2", {**HEADS, "sliding_window": 16, "query_pre_attn_scalar": 16}),
    "stablelm": ("StableLm", LLAMA),
    "mamba": ("Mamba", {"hidden_size": 64, "num_hidden_layers": 2, "state_size": 8}),
    "lfm2": ("Lfm2", {**LLAMA, "layer_types": ["conv", "full_attention"]}),
    "openai-gpt": ("OpenAIGPT", GPT),
}
SINGLE: dict[str, tuple[str, Settings]] = {
    "rwkv": ("Rwkv", {"hidden_size": 64, "attention_hidden_size": 64, "num_hidden_layers": 2}),
}


def make_config(name: str) -> PretrainedConfig:
    family, settings = {**CONTINUOUS, **PLAIN, **SINGLE}[name]
    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}
    config: PretrainedConfig = getattr(transformers, f"{family}Config")(
        vocab_size=len(make_tokenizer(None)), initializer_range=SPREAD, **ends, **settings
    )
    config.init_std = SPREAD
    return config


def make_loaded(name: str) -> LoadedModel:
    """A model with random weights, as the engine has loaded it."""
    return with_tokenizer(lambda: AutoModelForCausalLM.from_config(make_config(name)))


def make_folder(name: str, folder: Path) -> Path:
    """The same model, saved."""
    loaded = make_loaded(name)
    loaded.model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    return folder


def with_tokenizer(make: Callable[[], PreTrainedModel]) -> LoadedModel:
    torch.manual_seed(0)
    model = make().eval()
    model.generation_config = GenerationConfig()
    return LoadedModel(model, make_tokenizer(None), torch.device("cpu"), GenerationConfig())


@contextmanager
def loop_beside() -> Iterator[AbstractEventLoop]:
    """An event loop on a thread of its own, as the engine's server has one beside the thread that loads."""
    loop = new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
