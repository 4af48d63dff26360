"""Folders that users bring: what is no model is refused by name, at once."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from finery.contracts.model_folder import BASE_RECORD, record_base
from finery.domain.catalog.errors import ModelNotFound, ModelRefused
from finery.domain.catalog.folders import check_model_folder
from tests.builders import write_weights
from tests.domain.catalog.test_resolution import make_model

DEEP = b'{"a":' * 50_000 + b"1" + b"}" * 50_000


def index(folder: Path, *files: str) -> None:
    weight_map = {str(number): file for number, file in enumerate(files)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def pipe(folder: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)


BAD: dict[str, Callable[[Path], object]] = {
    "config.json is nested too deeply": lambda folder: (folder / "config.json").write_bytes(DEEP),
    "config.json is no JSON object": lambda folder: (folder / "config.json").write_text("[]"),
    "Expecting value": lambda folder: (folder / "config.json").write_text("nope"),
    "config.json is larger than": lambda folder: os.truncate(folder / "config.json", 2**30),
    "config.json is neither": lambda folder: pipe(folder, "config.json"),
    "model.safetensors is neither": lambda folder: pipe(folder, "model.safetensors"),
    "tokenizer.json is neither": lambda folder: pipe(folder, "tokenizer.json"),
    "model.safetensors is empty": lambda folder: os.truncate(folder / "model.safetensors", 0),
    "no usable|usable size": lambda folder: os.truncate(folder / "model.safetensors", 20),
    "no safetensors file": lambda folder: (folder / "model.safetensors").write_bytes(b"\x80\x04\x95pickled" * 9),
    "names 'model-2.safetensors'": lambda folder: index(folder, "model.safetensors", "model-2.safetensors"),
    "names '../x.safetensors'": lambda folder: index(folder, "../x.safetensors"),
    "has no weight_map": lambda folder: (folder / "model.safetensors.index.json").write_text("{}"),
    "index.json is nested": lambda folder: (folder / "model.safetensors.index.json").write_bytes(DEEP),
}


class TestCheckModelFolder:
    def test_a_whole_model(self, tmp_path: Path) -> None:
        folder = make_model(tmp_path / "m")
        index(folder, "model.safetensors")
        (folder / "dangling").symlink_to("nowhere")
        check_model_folder(folder, "m")

    @pytest.mark.parametrize("says", BAD)
    @pytest.mark.timeout(20)
    def test_refused_by_name(self, tmp_path: Path, says: str) -> None:
        folder = make_model(tmp_path / "m")
        BAD[says](folder)
        with pytest.raises(ModelRefused, match=says) as refused:
            check_model_folder(folder, "m")
        assert "'m'" in str(refused.value)

    def test_what_is_mended_is_a_model_again(self, tmp_path: Path) -> None:
        folder = make_model(tmp_path / "m")
        os.truncate(folder / "model.safetensors", 20)
        with pytest.raises(ModelRefused):
            check_model_folder(folder, "m")
        write_weights(folder / "model.safetensors", 64)
        check_model_folder(folder, "m")

    def test_without_weights(self, tmp_path: Path) -> None:
        folder = make_model(tmp_path / "m")
        (folder / "model.safetensors").unlink()
        with pytest.raises(ModelNotFound, match="no weights"):
            check_model_folder(folder, "m")


class TestBaseOfAnAdapter:
    def test_another_than_it_was_trained_on_is_refused(self, tmp_path: Path) -> None:
        base, adapter = make_model(tmp_path / "base"), make_model(tmp_path / "adapter")
        (adapter / "config.json").unlink()
        (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(base)}))
        record_base(adapter, str(base))
        check_model_folder(adapter, "a")
        write_weights(base / "model.safetensors", 64)
        with pytest.raises(ModelRefused, match="'a': the adapter adapter was trained on other weights than base holds"):
            check_model_folder(adapter, "a")
        (adapter / BASE_RECORD).unlink()
        # It was made elsewhere, and says nothing of its base.
        check_model_folder(adapter, "a")
