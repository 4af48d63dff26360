"""The estimate beside what a training step really keeps."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from finery.contracts.memory_fit import (
    STATE_BYTES,
    ModelShape,
    Training,
    activation_bytes,
    estimate,
    shape_of,
    trainable_parameters,
)

SIZES: dict[str, Any] = {
    "vocab_size": 1000,
    "hidden_size": 192,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
}
FACTOR = 1.3
"""Between the estimate and what was measured, either way."""


def llama() -> PreTrainedModel:
    return LlamaForCausalLM(LlamaConfig(num_key_value_heads=2, **SIZES))


def qwen() -> PreTrainedModel:
    return Qwen3ForCausalLM(Qwen3Config(num_key_value_heads=2, head_dim=48, **SIZES))


def gpt2() -> PreTrainedModel:
    """Without dropout of the attention's scores: it would have them in memory, which no model of today does."""
    sizes = {"n_embd": 192, "n_layer": 3, "n_head": 4, "bos_token_id": None, "eos_token_id": None}
    return GPT2LMHeadModel(GPT2Config(vocab_size=1000, attn_pdrop=0.0, **sizes))


def shape(model: PreTrainedModel) -> ModelShape:
    found = shape_of(model.config.to_dict(), sum(weight.numel() for weight in model.parameters()))
    assert found is not None
    return found


def kept_for_backward(model: PreTrainedModel, training: Training) -> int:
    """Bytes of the tensors that autograd keeps of the layers, the weights left out."""
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    ids = torch.randint(0, 1000, (training.batch_size, training.length))
    with (
        torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=training.computes_in_16_bits),
    ):
        # The result is held, so that no storage is given back and counted a second time.
        result = model.train().base_model(input_ids=ids, use_cache=False).last_hidden_state
    assert result.requires_grad
    return sum(kept.values())


class TestActivationBytes:
    @pytest.mark.parametrize("make", [llama, qwen, gpt2])
    @pytest.mark.parametrize(("rows", "length"), [(2, 64), (4, 256)])
    @pytest.mark.parametrize("half", [False, True], ids=["fp32", "bf16"])
    def test_as_measured(self, make: Any, rows: int, length: int, half: bool) -> None:
        model = make()
        training = Training(batch_size=rows, length=length, computes_in_16_bits=half)
        measured = kept_for_backward(model, training)
        if half:
            # The copies of the layers' weights in 16 bits are weights in the estimate.
            matrices = [weight for weight in model.base_model.parameters() if weight.dim() == 2]
            tables = [module.weight for module in model.base_model.modules() if isinstance(module, torch.nn.Embedding)]
            measured -= 2 * (sum(weight.numel() for weight in matrices) - sum(weight.numel() for weight in tables))
        assert measured / FACTOR < activation_bytes(shape(model), training) < measured * FACTOR


class TestEstimate:
    @pytest.mark.parametrize("rank", [None, 8])
    def test_weights_gradients_and_optimizer_to_the_byte(self, rank: int | None) -> None:
        base = llama()
        described = shape(base)
        model = base if rank is None else get_peft_model(base, LoraConfig(r=rank, target_modules="all-linear"))
        optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad])
        model(input_ids=torch.ones(1, 8, dtype=torch.long)).logits.sum().backward()
        optimizer.step()
        trained = [weight for weight in model.parameters() if weight.grad is not None]
        found = estimate(described, Training(batch_size=1, length=8, lora_rank=rank))
        assert found.weights == sum(weight.nbytes for weight in model.parameters())
        assert found.gradients == sum(weight.grad.nbytes for weight in trained)
        states = [value for state in optimizer.state.values() for name, value in state.items() if name != "step"]
        assert found.optimizer == sum(value.nbytes for value in states)
        assert trainable_parameters(described, rank) == sum(weight.numel() for weight in trained)

    def test_knows_every_optimizer(self) -> None:
        from finery.contracts.recipes import SftConfig

        names = SftConfig.model_json_schema()["properties"]["optimizer"]["enum"]
        assert set(names) == set(STATE_BYTES)

    def test_checkpoints_save_most_of_a_deep_model(self) -> None:
        training = Training(batch_size=4, length=256)
        checkpointed = replace(training, gradient_checkpointing=True)
        deep = replace(shape(llama()), layers=32)
        assert activation_bytes(deep, checkpointed) * 8 < activation_bytes(deep, training)
