from dataclasses import replace

import pytest

from finery.contracts.memory_fit import (
    STACK,
    Footprint,
    ModelShape,
    Training,
    activation_bytes,
    estimate,
    gib,
    largest_batch,
    logit_bytes,
    optimizer_bytes,
    shape_of,
    trainable_parameters,
    weight_bytes,
)
from finery.contracts.recipes import RECIPES

SEVEN = ModelShape(
    parameters=6_738_415_616, hidden=4096, layers=32, vocabulary=32000, intermediate=11008, key_values=4096
)
"""Llama 2 of seven thousand million parameters."""
PREFERENCES = RECIPES["dpo"].footprint(None)
FULL = Training(batch_size=4, length=512)
LORA = replace(FULL, lora_rank=16)
LLAMA = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "vocab_size": 32000,
    "num_attention_heads": 32,
    "intermediate_size": 11008,
    "hidden_act": "silu",
}


class TestShapeOf:
    def test_llamas_words(self) -> None:
        assert shape_of(LLAMA, SEVEN.parameters) == SEVEN

    def test_fewer_keys_than_queries(self) -> None:
        grouped = shape_of({**LLAMA, "num_key_value_heads": 8}, 1)
        assert grouped is not None
        assert grouped.key_values == 1024
        wide = shape_of({**LLAMA, "num_key_value_heads": 8, "head_dim": 256}, 1)
        assert wide is not None
        assert wide.key_values == 2048

    def test_gpt_2s_words(self) -> None:
        config = {"n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257, "n_inner": None}
        assert shape_of(config, 1) == ModelShape(
            parameters=1, hidden=768, layers=12, vocabulary=50257, intermediate=3072, key_values=768, is_gated=False
        )

    def test_the_text_part_of_a_model_that_sees(self) -> None:
        assert shape_of({"vision_config": {"hidden_size": 7}, "text_config": LLAMA}, SEVEN.parameters) == SEVEN

    @pytest.mark.parametrize("config", [{}, {"hidden_size": 8}, {**LLAMA, "vocab_size": "many"}])
    def test_says_too_little(self, config: dict[str, object]) -> None:
        assert shape_of(config, 1) is None


class TestEstimate:
    def test_sixteen_bytes_a_weight_before_any_row(self) -> None:
        """The rule of thumb of mixed precision with Adam is 18: 6 + 4 + 8."""
        fixed = estimate(SEVEN, replace(FULL, batch_size=0, computes_in_16_bits=True))
        assert fixed.total - STACK == 18 * SEVEN.parameters
        assert estimate(SEVEN, replace(FULL, batch_size=0)).total - STACK == 16 * SEVEN.parameters

    def test_is_the_sum_of_its_parts(self) -> None:
        one = estimate(SEVEN, replace(FULL, footprint=PREFERENCES))
        parts = (one.weights, one.gradients, one.optimizer, one.activations, one.logits, one.reference, one.stack)
        assert one.total == sum(parts)
        assert min(parts) > 0

    def test_a_reference_only_of_full_training(self) -> None:
        assert estimate(SEVEN, replace(FULL, footprint=PREFERENCES)).reference == 4 * SEVEN.parameters
        assert estimate(SEVEN, replace(LORA, footprint=PREFERENCES)).reference == 0

    def test_an_adapter_needs_little_beside_the_base(self) -> None:
        adapter = estimate(SEVEN, replace(LORA, computes_in_16_bits=True, batch_size=0))
        assert adapter.total == pytest.approx(2 * SEVEN.parameters + STACK, rel=0.05)

    def test_is_told_by_its_larger_parts(self) -> None:
        words = str(estimate(SEVEN, replace(FULL, batch_size=0)))
        assert words == "101.2 GiB (weights 25.1 GiB, gradients 25.1 GiB, optimizer 50.2 GiB)"
        small = ModelShape(parameters=1, hidden=1, layers=1, vocabulary=1, intermediate=1, key_values=1)
        assert str(estimate(small, FULL)) == gib(STACK)


class TestLargestBatch:
    @pytest.mark.parametrize("rows", [0, 1, 3, 4])
    def test_the_most_that_fits(self, rows: int) -> None:
        limit = estimate(SEVEN, replace(FULL, batch_size=rows)).total
        assert largest_batch(SEVEN, FULL, limit) == rows
        assert largest_batch(SEVEN, FULL, limit - 1) == max(0, rows - 1)

    def test_never_more_than_asked_for(self) -> None:
        assert largest_batch(SEVEN, FULL, 2**60) == 4


class TestTrainableParameters:
    def test_of_an_adapter_on_all_linear_layers(self) -> None:
        """PEFT says 39,976,960 for Llama 2 7B, all-linear, rank 16."""
        assert trainable_parameters(SEVEN, 16) == 39_976_960

    def test_of_a_full_training(self) -> None:
        assert trainable_parameters(SEVEN, None) == SEVEN.parameters


class TestWeightBytes:
    def test_four_bits(self) -> None:
        """The QLoRA paper's figure for the 7B base in 4 bits is about 3.5 GB beside its embeddings."""
        quantised = weight_bytes(SEVEN, replace(LORA, quantisation="4bit"))
        assert 3.4e9 < quantised < 3.8e9
        assert quantised < weight_bytes(SEVEN, replace(LORA, quantisation="8bit")) < 2 * SEVEN.parameters


class TestOptimizerBytes:
    def test_by_what_it_remembers(self) -> None:
        names = ["adamw_torch", "adamw_torch_fused", "adamw_bnb_8bit", "adafactor", "sgd"]
        assert [optimizer_bytes(name, 1000) for name in names] == [8000, 8000, 2000, 50, 0]


class TestActivationBytes:
    def test_grow_with_every_token(self) -> None:
        one = activation_bytes(SEVEN, FULL)
        assert activation_bytes(SEVEN, replace(FULL, batch_size=8)) == 2 * one
        assert activation_bytes(SEVEN, replace(FULL, length=1024)) == 2 * one
        assert activation_bytes(SEVEN, replace(FULL, footprint=PREFERENCES)) == 2 * one
        assert activation_bytes(SEVEN, replace(FULL, footprint=Footprint(answers=8))) == 8 * one

    def test_checkpoints_keep_one_layer_and_what_is_between(self) -> None:
        kept = activation_bytes(SEVEN, replace(FULL, gradient_checkpointing=True))
        assert kept == activation_bytes(SEVEN, FULL) // 32 + 32 * 4 * 2048 * 4096


class TestLogitBytes:
    def test_three_numbers_for_each_token_of_the_vocabulary(self) -> None:
        assert logit_bytes(SEVEN, FULL) == 12 * 4 * 512 * 32000

    def test_a_reward_model_has_none(self) -> None:
        assert logit_bytes(SEVEN, replace(FULL, footprint=RECIPES["reward"].footprint(None))) == 0
