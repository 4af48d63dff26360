import json
import shutil
from pathlib import Path

import pytest
import torch

from finery.contracts.chat_prompts import FALLBACK_CHAT_TEMPLATE
from finery.contracts.model_folder import record_base
from finery.engines.transformers.loading import ModelNotLoadable, find_folder, load_model
from tests.engines.tiny import make_adapter, make_model


def load(folder: Path) -> object:
    return load_model(str(folder), dtype="auto", quantization=None)


class TestFindFolder:
    @pytest.mark.parametrize("source", ["/no/where", "./none", "~/none-such", "a/b/c"])
    def test_a_path_is_never_taken_for_a_hub_id(self, source: str) -> None:
        with pytest.raises(ModelNotLoadable, match="no such folder"):
            find_folder(source)

    def test_a_file_is_no_model(self, tmp_path: Path) -> None:
        (tmp_path / "weights").touch()
        with pytest.raises(ModelNotLoadable, match="is a file"):
            find_folder(str(tmp_path / "weights"))


class TestLoadModel:
    def test_pickles_are_refused_by_name(self, model_folder: Path, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(model_folder, tmp_path / "pickled"))
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        with pytest.raises(ModelNotLoadable, match=r"pickles \(pytorch_model\.bin\)"):
            load(folder)

    def test_an_empty_folder_is_no_model(self, tmp_path: Path) -> None:
        with pytest.raises(ModelNotLoadable, match=r"no \*\.safetensors file"):
            load(tmp_path)

    def test_weights_without_a_configuration_are_no_model(self, model_folder: Path, tmp_path: Path) -> None:
        shutil.copy(model_folder / "model.safetensors", tmp_path)
        with pytest.raises(ModelNotLoadable, match=r"no config\.json"):
            load(tmp_path)

    def test_a_model_without_a_tokenizer(self, model_folder: Path, tmp_path: Path) -> None:
        for name in ("model.safetensors", "config.json"):
            shutil.copy(model_folder / name, tmp_path)
        with pytest.raises(ModelNotLoadable, match="no tokenizer"):
            load(tmp_path)

    def test_an_adapter_without_its_base(self, model_folder: Path, tmp_path: Path) -> None:
        adapter = make_adapter(tmp_path / "adapter", model_folder, base_name="../gone/a/b")
        with pytest.raises(ModelNotLoadable, match=r"base model of the adapter .* is not there"):
            load(adapter)

    def test_an_adapter_whose_base_was_replaced(self, model_folder: Path, tmp_path: Path) -> None:
        base = Path(shutil.copytree(model_folder, tmp_path / "base"))
        adapter = make_adapter(tmp_path / "adapter", base, base_name=str(base))
        record_base(adapter, str(base))
        load(adapter)
        weights = base / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-4] + bytes(4))
        with pytest.raises(ModelNotLoadable, match=r"was trained on other weights than .*base holds now"):
            load(adapter)

    def test_an_adapter_on_itself(self, model_folder: Path, tmp_path: Path) -> None:
        adapter = make_adapter(tmp_path / "adapter", model_folder, base_name=".")
        with pytest.raises(ModelNotLoadable, match="adapter on itself"):
            load(adapter)

    def test_an_adapter_on_an_adapter(self, model_folder: Path, adapter_folder: Path, tmp_path: Path) -> None:
        outer = make_adapter(tmp_path / "outer", model_folder, base_name=str(adapter_folder))
        base, once, twice = (
            load_model(str(folder), dtype="auto", quantization=None).model.model.layers[0].self_attn.q_proj.weight
            for folder in (model_folder, adapter_folder, outer)
        )
        assert torch.allclose(twice - once, once - base, atol=1e-5)
        assert not torch.equal(once, base)

    def test_code_of_the_models_own_is_refused(self, model_folder: Path, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(model_folder, tmp_path / "own-code"))
        settings = json.loads((folder / "config.json").read_text())
        classes = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
        (folder / "config.json").write_text(json.dumps({**settings, "model_type": "own", "auto_map": classes}))
        (folder / "code.py").write_text("raise SystemExit('ran')")
        with pytest.raises(ValueError, match="trust_remote_code"):
            load(folder)

    def test_quantization_names_what_it_needs(self, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
        with pytest.raises(ModelNotLoadable, match=r"--load-in-4bit needs the package bitsandbytes"):
            load_model(str(model_folder), dtype="auto", quantization="4bit")

    def test_a_model_without_a_chat_template_gets_ours(self, tmp_path: Path) -> None:
        folder = make_model(tmp_path / "plain", chat_template=None)
        assert load_model(str(folder), dtype="float32", quantization=None).tokenizer.chat_template == (
            FALLBACK_CHAT_TEMPLATE
        )
