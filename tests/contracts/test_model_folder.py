import json
from pathlib import Path
from typing import Any

import pytest

from finery.contracts import model_folder
from finery.contracts.model_folder import base_of, context_length, dimensions, longest_input, text_config

LLAMA = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 99,
}


def folder_with(path: Path, **files: Any) -> Path:
    """JSON files by their stems; text as it is."""
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (path / f"{name}.json").write_text(text)
    return path


class TestBase:
    @pytest.mark.parametrize("named", ["../base", "inner"])
    def test_a_relative_one_lies_beside_the_adapter(self, tmp_path: Path, named: str) -> None:
        adapter = folder_with(tmp_path / "adapter", adapter_config={"base_model_name_or_path": named})
        (adapter / named).mkdir()
        found = base_of(adapter)
        assert found is not None
        assert Path(found).samefile(adapter / named)

    @pytest.mark.parametrize("named", ["owner/model", "/nowhere/at/all"])
    def test_another_name_is_as_it_stands(self, tmp_path: Path, named: str) -> None:
        assert base_of(folder_with(tmp_path, adapter_config={"base_model_name_or_path": named})) == named

    @pytest.mark.parametrize("config", [{}, {"base_model_name_or_path": 7}, {"base_model_name_or_path": ""}, [], "{"])
    def test_of_one_that_names_none(self, tmp_path: Path, config: Any) -> None:
        adapter = folder_with(tmp_path, adapter_config=config)
        assert (model_folder.is_adapter(adapter), base_of(adapter)) == (True, None)

    def test_of_one_that_names_itself(self, tmp_path: Path) -> None:
        assert base_of(folder_with(tmp_path, adapter_config={"base_model_name_or_path": str(tmp_path)})) is None

    def test_of_a_whole_model(self, tmp_path: Path) -> None:
        assert not model_folder.is_adapter(tmp_path)
        assert base_of(tmp_path) is None


class TestLongestInput:
    @pytest.mark.parametrize(
        ("config", "longest"),
        [
            ({"n_positions": 512}, 512),
            ({"max_position_embeddings": 2048, "rope_parameters": {"rope_theta": 1e4, "rope_type": "default"}}, 2048),
            ({"max_position_embeddings": 1000, "rope_scaling": {"type": "dynamic", "factor": 2.5}}, 2500),
            (
                {
                    "max_position_embeddings": 32768,
                    "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768},
                },
                131072,
            ),
            (
                {
                    "max_position_embeddings": 131072,
                    "rope_parameters": {"factor": 8.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"},
                },
                131072,
            ),
            (
                {
                    "max_position_embeddings": 100,
                    "rope_parameters": {"full_attention": {"factor": 8}, "sliding_attention": {"rope_theta": 1e4}},
                },
                800,
            ),
        ],
    )
    def test_of_positions(self, config: dict[str, Any], longest: int) -> None:
        assert longest_input(config) == longest

    @pytest.mark.parametrize(
        "config",
        [
            {},
            {"model_type": "bloom", "seq_length": 2048},
            {"model_type": "falcon", "alibi": True, "max_position_embeddings": 2048},
            {"model_type": "jais", "position_embedding_type": "alibi", "n_positions": 2048},
            {"max_position_embeddings": 2048, "attn_config": {"alibi": True}},
        ],
    )
    def test_without_a_bound(self, config: dict[str, Any]) -> None:
        assert longest_input(config) is None

    @pytest.mark.parametrize("factor", ["2", None, float("nan"), float("inf"), -3, [1]])
    def test_a_factor_that_makes_no_sense(self, factor: Any) -> None:
        assert longest_input({"max_position_embeddings": 64, "rope_scaling": {"factor": factor}}) == 64


class TestContext:
    @pytest.mark.parametrize("name", model_folder.CONTEXT_NAMES)
    def test_under_any_of_its_names(self, name: str) -> None:
        assert context_length({name: 512}) == 512

    @pytest.mark.parametrize("value", [0, -1, "512", 512.0, True, None, 10**12])
    def test_what_makes_no_sense_is_not_there(self, value: Any) -> None:
        assert context_length({"max_position_embeddings": value}) is None
        assert context_length({"max_position_embeddings": value, "n_positions": 64}) == 64

    def test_of_the_text_part(self, tmp_path: Path) -> None:
        nested = {"text_config": {"max_position_embeddings": 64}, "max_position_embeddings": 8}
        assert context_length(text_config(folder_with(tmp_path, config=nested))) == 64


class TestDimensions:
    def test_fewer_heads_for_keys(self) -> None:
        found = dimensions(LLAMA)
        assert found is not None
        assert (found.key_values, found.intermediate) == (32, 256)
        assert found.cache_bytes_per_token(2) == 2 * 3 * 32 * 2

    def test_heads_of_their_own_size(self) -> None:
        found = dimensions({**LLAMA, "head_dim": 48})
        assert found is not None
        assert found.key_values == 96

    def test_in_the_words_of_gpt2(self) -> None:
        found = dimensions({"n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": None})
        assert found is not None
        assert (found.hidden, found.layers, found.key_values, found.vocabulary) == (32, 2, 32, None)

    @pytest.mark.parametrize("missing", ["hidden_size", "num_hidden_layers", "num_attention_heads"])
    def test_one_that_says_too_little(self, missing: str) -> None:
        assert dimensions({name: value for name, value in LLAMA.items() if name != missing}) is None


class TestTemplate:
    def test_the_file_before_the_tokenizers_own(self, tmp_path: Path) -> None:
        folder_with(tmp_path, tokenizer_config={"chat_template": "old"})
        assert model_folder.chat_template(tmp_path) == "old"
        (tmp_path / "chat_template.jinja").write_text("new")
        assert model_folder.chat_template(tmp_path) == "new"

    @pytest.mark.parametrize("config", [{}, {"chat_template": [{"name": "default"}]}, [], "{"])
    def test_of_a_model_that_brings_none(self, tmp_path: Path, config: Any) -> None:
        assert model_folder.chat_template(folder_with(tmp_path, tokenizer_config=config)) is None
