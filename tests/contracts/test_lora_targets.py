import pytest

from finery.contracts.lora_targets import misfits, target_names

LLAMA = {
    "model.embed_tokens.weight": (99, 8),
    "model.layers.0.self_attn.q_proj.weight": (8, 8),
    "model.layers.0.self_attn.q_proj.bias": (8,),
    "model.layers.1.mlp.up_proj.weight": (16, 8),
    "model.layers.1.input_layernorm.weight": (8,),
    "lm_head.weight": (99, 8),
}
EXPERTS = {
    "model.layers.0.mlp.experts.gate_up_proj": (4, 8, 32),
    "model.layers.0.mlp.experts.gate_up_proj_bias": (4, 32),
    "model.layers.0.mlp.gate.weight": (4, 8),
}
GRANITE_FILES = {
    "model.layers.0.block_sparse_moe.input_linear.weight": (4, 8, 32),
    "model.layers.0.block_sparse_moe.router.layer.weight": (4, 8),
    "model.layers.0.self_attn.q_proj.weight": (8, 8),
}


class TestTargetNames:
    @pytest.mark.parametrize(
        ("value", "names"),
        [
            ("all-linear", ["all-linear"]),
            ("q_proj, v_proj,,q_proj", ["q_proj", "v_proj"]),
            ([" q_proj", "q_proj", ""], ["q_proj"]),
            (" , ", []),
            ([], []),
        ],
    )
    def test_of_a_text_or_list(self, value: str | list[str], names: list[str]) -> None:
        assert target_names(value) == names


class TestMisfits:
    def test_what_kernels_read_themselves(self) -> None:
        layer = {"backbone.layers.0.mixer.out_proj.weight": (8, 16), "backbone.layers.0.mixer.in_proj.weight": (32, 8)}
        assert list(misfits(["out_proj", "in_proj"], layer, model_type="mamba2")) == [
            "'out_proj' is read by mamba2's kernels, past an adapter; leave it out"
        ]
        assert list(misfits(["out_proj", "in_proj"], layer, model_type="lfm2")) == []

    @pytest.mark.parametrize(
        "name",
        ["q_proj", "self_attn.q_proj", "layers.1.mlp.up_proj", "model.layers.0.self_attn.q_proj", "embed_tokens"],
    )
    def test_what_is_there(self, name: str) -> None:
        assert list(misfits([name, "all-linear"], LLAMA)) == []

    def test_a_prefix_that_the_files_leave_out(self) -> None:
        names, shapes = ["transformer.h.0.attn.c_attn"], {"h.0.attn.c_attn.weight": (8, 24)}
        assert list(misfits(names, shapes, from_files=True)) == []
        (message,) = misfits(names, shapes)
        assert message.startswith("the model has no 'transformer.h.0.attn.c_attn'")

    @pytest.mark.parametrize("name", ["router", "gate_up_proj", "w1", "block_sparse_moe.experts.down_proj"])
    def test_names_that_a_mixture_has_in_memory_only(self, name: str) -> None:
        assert list(misfits([name], GRANITE_FILES, from_files=True)) == []
        assert list(misfits([name], {"model.layers.0.mlp.fc1.weight": (8, 8)}, from_files=True)) != []

    def test_names_of_a_dense_layer_that_loading_parts(self) -> None:
        shapes = {"model.layers.0.attn.gqkv_proj.weight": (32, 8), "model.layers.0.mlp.gate_up_proj.weight": (32, 8)}
        assert list(misfits(["q_proj"], shapes, model_type="hrm_text", from_files=True)) == []
        assert list(misfits(["q_proj"], shapes, model_type="llama", from_files=True)) != []
        assert list(misfits(["q_proj"], shapes, model_type="hrm_text")) != []

    def test_a_slip_in_a_mixture(self) -> None:
        (message,) = misfits(["q_porj"], GRANITE_FILES, from_files=True)
        assert message == "the model has no 'q_porj'; did you mean 'q_proj'?"

    def test_experts_and_routers(self) -> None:
        assert list(misfits(["experts.gate_up_proj", "mlp.gate"], EXPERTS)) == []

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("q_porj", "the model has no 'q_porj'; did you mean 'q_proj'?"),
            ("attention", "the model has no 'attention'; it has embed_tokens, q_proj, up_proj"),
            ("layers.7.q_proj", "the model has no 'layers.7.q_proj'; did you mean 'q_proj'?"),
            ("self_attn", "the model has no 'self_attn'; it has embed_tokens, q_proj, up_proj"),
            ("proj", "the model has no 'proj'; did you mean "),
            ("input_layernorm", "'input_layernorm' has a weight for each unit and no matrix, which LoRA needs; "),
            ("bias", "the model has no 'bias'; "),
        ],
    )
    def test_what_is_not(self, name: str, says: str) -> None:
        (message,) = misfits(["up_proj", name], LLAMA)
        assert message.startswith(says)

    @pytest.mark.parametrize("name", ["lm_head", "embed_tokens", "model.embed_tokens"])
    def test_a_head_that_is_the_embedding(self, name: str) -> None:
        (message,) = misfits(["q_proj", name], LLAMA, tied=True)
        assert message == f"{name!r} is head and embedding in one, which an adapter would part; leave it out"

    def test_a_head_of_its_own(self) -> None:
        (message,) = misfits(["q_proj", "lm_head"], LLAMA)
        assert (
            message
            == "'lm_head' is the head, whose adapter the loss passes over, so that it learns nothing; leave it out"
        )

    def test_a_head_that_a_score_replaces(self) -> None:
        (message,) = misfits(["lm_head"], LLAMA, has_head=False)
        assert "replaced by the score" in message
