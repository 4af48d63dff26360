"""What LoRA adapts is the same on mixtures of experts as elsewhere, and is told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DeepseekV3Config,
    DeepseekV3ForCausalLM,
    GptOssConfig,
    GptOssForCausalLM,
    GraniteMoeConfig,
    GraniteMoeForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedModel,
    Qwen2MoeConfig,
    Qwen2MoeForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from finery.contracts.recipes import SftConfig
from finery.trainers.errors import TrainingRefused
from finery.trainers.lora import adapted_modules, lora_config
from tests.trainers.running import carry_out, make_run

NOISE = 1e-5
SIZES: dict[str, Any] = {
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "num_key_value_heads": 2,
}
QWEN = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
LATENT = {"kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8}
DEEPSEEK = {
    "moe_intermediate_size": 16,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "n_routed_experts": 4,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
}

MIXTURES: dict[str, Callable[[], PreTrainedModel]] = {
    "qwen3_moe": lambda: Qwen3MoeForCausalLM(Qwen3MoeConfig(**SIZES, **QWEN, head_dim=8)),
    "qwen2_moe": lambda: Qwen2MoeForCausalLM(Qwen2MoeConfig(**SIZES, **QWEN, shared_expert_intermediate_size=16)),
    "mixtral": lambda: MixtralForCausalLM(MixtralConfig(**SIZES, num_local_experts=4)),
    "gpt_oss": lambda: GptOssForCausalLM(GptOssConfig(**SIZES, num_local_experts=4, head_dim=8)),
    "granitemoe": lambda: GraniteMoeForCausalLM(GraniteMoeConfig(**SIZES, num_local_experts=4)),
    "deepseek_v3": lambda: DeepseekV3ForCausalLM(
        DeepseekV3Config(**(SIZES | {"num_key_value_heads": 4}), **LATENT, **DEEPSEEK)
    ),
}
QUICK = ("qwen3_moe", "deepseek_v3")
MOST_THOROUGHLY = [pytest.param(name, marks=() if name in QUICK else pytest.mark.thorough) for name in MIXTURES]
ROUTERS = {"gpt_oss": "router", "granitemoe": "router"}
ATTENTION = {"q_proj": 2, "k_proj": 2, "v_proj": 2, "o_proj": 2}
EXPERTS = {"gate_up_proj": 2, "down_proj": 2}


def make(architecture: str) -> PreTrainedModel:
    torch.manual_seed(0)
    return MIXTURES[architecture]()


def adapter(model: PreTrainedModel, targets: str | list[str], **config: Any) -> PeftModel:
    """With an effect, where a fresh one has none."""
    settings = {"model_name": "m", "dataset_path": "d", "use_lora": True, "lora_rank": 2, **config}
    chosen = lora_config(model, SftConfig(**settings, lora_target_modules=targets))
    assert chosen is not None
    adapted = get_peft_model(model, chosen)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return adapted


@torch.no_grad()
def logits(model: torch.nn.Module) -> torch.Tensor:
    return model.eval()(input_ids=torch.arange(12)[None]).logits


@pytest.mark.filterwarnings("ignore")
class TestMixtures:
    @pytest.mark.parametrize("architecture", [name for name in MIXTURES if name not in ("qwen2_moe", "deepseek_v3")])
    def test_all_linear_has_the_experts_and_no_router(self, architecture: str) -> None:
        assert adapted_modules(adapter(make(architecture), "all-linear")) == dict(sorted((ATTENTION | EXPERTS).items()))

    def test_all_linear_has_dense_and_shared_layers_too(self) -> None:
        shared = {"gate_proj": 2, "up_proj": 2, "gate_up_proj": 2, "down_proj": 4}
        assert adapted_modules(adapter(make("qwen2_moe"), "all-linear")) == ATTENTION | shared
        found = adapted_modules(adapter(make("deepseek_v3"), "all-linear"))
        assert {name: found.get(name) for name in (*shared, "gate", "kv_b_proj")} == {
            "gate_proj": 2,
            "up_proj": 2,
            "gate_up_proj": 1,
            "down_proj": 3,
            "gate": None,
            "kv_b_proj": 2,
        }

    @pytest.mark.parametrize("architecture", MOST_THOROUGHLY)
    @pytest.mark.parametrize("targets", ["all-linear", "down_proj", "gate_proj", "router"])
    def test_an_adapter_is_the_same_loaded_and_merged(self, architecture: str, targets: str, tmp_path: Path) -> None:
        router = ROUTERS.get(architecture, "gate")
        base = logits(make(architecture))
        adapted = adapter(make(architecture), router if targets == "router" else targets)
        adapted.save_pretrained(tmp_path)
        loaded = PeftModel.from_pretrained(make(architecture), str(tmp_path))
        assert adapted_modules(loaded) == adapted_modules(adapted)
        assert torch.equal(logits(loaded), logits(adapted))
        assert (logits(loaded.merge_and_unload()) - logits(adapted)).abs().max() < NOISE
        assert (logits(adapted) - base).abs().max() > 100 * NOISE

    @pytest.mark.parametrize("architecture", MIXTURES)
    def test_a_router_is_there_when_asked_for(self, architecture: str) -> None:
        router = ROUTERS.get(architecture, "gate")
        alone = adapted_modules(adapter(make(architecture), [router]))
        assert alone.keys() == {router}
        both = adapted_modules(adapter(make(architecture), ["all-linear", router]))
        assert both == dict(sorted({**adapted_modules(adapter(make(architecture), "all-linear")), **alone}.items()))

    def test_one_layer_is_one_layer(self) -> None:
        found = adapter(make("qwen3_moe"), "layers.1.mlp.experts.down_proj,layers.0.self_attn.q_proj")
        assert adapted_modules(found) == {"down_proj": 1, "q_proj": 1}

    def test_dropout_is_refused(self) -> None:
        with pytest.raises(TrainingRefused, match=r"lora_dropout: .*experts\.gate_up_proj is adapted as one parameter"):
            adapter(make("qwen3_moe"), "all-linear", lora_dropout=0.1)
        assert adapted_modules(adapter(make("qwen3_moe"), "q_proj", lora_dropout=0.1)) == {"q_proj": 2}


@pytest.mark.filterwarnings("ignore")
class TestStateSpaces:
    """PEFT refuses what their kernels read themselves."""

    @pytest.fixture
    def model(self) -> PreTrainedModel:
        torch.manual_seed(0)
        return MambaForCausalLM(MambaConfig(vocab_size=99, hidden_size=32, num_hidden_layers=2, state_size=4))

    def test_all_linear_is_what_can_be_adapted(self, model: PreTrainedModel) -> None:
        assert adapted_modules(adapter(model, "all-linear")) == {"dt_proj": 2, "in_proj": 2, "x_proj": 2}

    @pytest.mark.parametrize("targets", ["out_proj", ["all-linear", "conv1d"], "layers.1.mixer.out_proj"])
    def test_the_others_are_refused(self, model: PreTrainedModel, targets: str | list[str]) -> None:
        with pytest.raises(TrainingRefused, match="is read by mamba's kernels, past an adapter; leave it out"):
            adapter(model, targets)


class TestRefusals:
    @pytest.mark.parametrize(
        ("targets", "tied", "says"),
        [
            ("q_porj", False, "lora_target_modules: the model has no 'q_porj'; did you mean 'q_proj'?"),
            ("lm_head", True, "is head and embedding in one"),
            ("lm_head,q_proj", False, "is the head, whose adapter the loss passes over"),
            ("base_model.model.model.layers.0.self_attn.q_proj", False, "the model has no 'base_model.model"),
            ([" "], False, "lora_target_modules: it names nothing"),
        ],
    )
    def test_of_targets(self, targets: str | list[str], tied: bool, says: str) -> None:
        model = LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=tied))
        with pytest.raises(TrainingRefused, match=says.replace("?", r"\?")):
            adapter(model, targets)


class TestTelling:
    def test_by_an_event_and_in_the_card(self, tmp_path: Path, cache: Path) -> None:
        result = carry_out(
            make_run(tmp_path, "sft", cache=cache, max_steps=1, use_lora=True, lora_target_modules="q_proj, up_proj")
        )
        (notice,) = [data for data in result.of("notice") if data["code"] == "lora_targets"]
        assert (notice["level"], notice["targets"]) == ("info", {"q_proj": 4, "up_proj": 4})
        assert notice["message"] == "the adapter changes 4 × q_proj, 4 × up_proj"
        card = (tmp_path / "output" / "README.md").read_text()
        assert "## Adapted\n\n| | |\n|---|---|\n| q_proj | 4 |\n| up_proj | 4 |\n" in card

    def test_of_a_mixture_that_is_merged(self, tmp_path: Path, cache: Path, tiny_llama: Path) -> None:
        base = tmp_path / "base"
        sizes = SIZES | {"vocab_size": 4096, "max_position_embeddings": 1024}
        Qwen3MoeForCausalLM(Qwen3MoeConfig(**sizes, **QWEN, head_dim=8)).save_pretrained(base)
        AutoTokenizer.from_pretrained(tiny_llama).save_pretrained(base)
        settings: dict[str, Any] = {"max_steps": 2, "learning_rate": 1e-2, "use_lora": True, "merge_adapter": True}
        result = carry_out(make_run(tmp_path, "sft", cache=cache, model=base, **settings))
        (notice,) = [data for data in result.of("notice") if data["code"] == "lora_targets"]
        assert notice["targets"] == ATTENTION | EXPERTS
        output = tmp_path / "output"
        assert "gate" not in json.loads((output / "adapter_config.json").read_text())["target_modules"]
        adapted = logits(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(output)))
        assert (logits(AutoModelForCausalLM.from_pretrained(output / "merged")) - adapted).abs().max() < NOISE
