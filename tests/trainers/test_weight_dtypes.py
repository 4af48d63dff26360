from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from finery.trainers.weight_dtypes import WeightDtypes

NORM = "model.norm.weight"


def model() -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=64,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=None,
        )
    )


class TestWeightDtypes:
    def test_each_weight_gets_its_own_and_others_that_of_most_numbers(self, tmp_path: Path) -> None:
        weights = {"a": torch.zeros(100, dtype=torch.bfloat16), NORM: torch.zeros(16)}
        save_file({**weights, "b": torch.zeros(400, dtype=torch.uint8)}, tmp_path / "model-1.safetensors")
        save_file({f"small.{index}": torch.zeros(1) for index in range(9)}, tmp_path / "model-2.safetensors")
        trained = model()
        WeightDtypes.of_base(str(tmp_path)).apply(trained)
        kinds = {name: parameter.dtype for name, parameter in trained.named_parameters()}
        assert kinds.pop(NORM) == torch.float32
        assert set(kinds.values()) == {torch.bfloat16}

    def test_tied_weights_stay_tied(self, tmp_path: Path) -> None:
        save_file({"a": torch.zeros(1, dtype=torch.float16)}, tmp_path / "model.safetensors")
        trained = model()
        WeightDtypes.of_base(str(tmp_path)).apply(trained)
        assert trained.lm_head.weight is trained.get_input_embeddings().weight
        assert trained.lm_head.weight.dtype == torch.float16
        assert trained.model.rotary_emb.inv_freq.dtype == torch.float32, "no weight of a file"

    def test_without_the_bases_files_all_stay_as_they_are(self) -> None:
        trained = model()
        WeightDtypes.of_base("nobody/nothing").apply(trained)
        assert {parameter.dtype for parameter in trained.parameters()} == {torch.float32}
