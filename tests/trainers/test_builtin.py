"""The built-in models are the same each time, and made once."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from finery.contracts.builtin_models import BUILTIN_MODELS, BUILTIN_TENSORS
from finery.trainers.builtin import UnknownBuiltin, ensure_builtin
from tests.trainers.running import SOURCE


def digest(folder: Path) -> str:
    hashed = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        hashed.update(path.name.encode() + path.read_bytes())
    return hashed.hexdigest()


class TestEnsureBuiltin:
    @pytest.mark.parametrize("name", ["finery/tiny-llama", "finery/tiny-qwen"])
    def test_is_deterministic(self, name: str, tmp_path: Path) -> None:
        folders = [ensure_builtin(name, tmp_path / part) for part in ("one", "two")]
        assert digest(folders[0]) == digest(folders[1])
        model = AutoModelForCausalLM.from_pretrained(folders[0])
        assert 1_200_000 < model.num_parameters() < 1_500_000
        dimensions = {name: parameter.dim() for name, parameter in model.named_parameters() if "_norm" not in name}
        assert dimensions == {name: len(shape) for name, shape in BUILTIN_TENSORS.items()}
        tokenizer = AutoTokenizer.from_pretrained(folders[0])
        assert len(tokenizer) == model.config.vocab_size == 4096
        assert "{%- generation -%}" in tokenizer.chat_template
        for text in ("Finery とは何ですか?", "대장간 🔥", "  indented\n\ttabs"):
            assert tokenizer.decode(tokenizer(text)["input_ids"]) == text

    def test_the_taught_one_is_deterministic_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("finery.trainers.builtin.instruct.EPOCHS", 1)
        folders = [ensure_builtin("finery/tiny-llama-instruct", tmp_path / part) for part in ("one", "two")]
        assert digest(folders[0]) == digest(folders[1])
        assert digest(folders[0]) != digest(ensure_builtin("finery/tiny-llama", tmp_path))

    def test_stays_as_it_is(self, tmp_path: Path) -> None:
        folder = ensure_builtin("finery/tiny-llama", tmp_path)
        (folder / "model.safetensors").write_bytes(b"an earlier version's")
        assert ensure_builtin("finery/tiny-llama", tmp_path) == folder
        assert (folder / "model.safetensors").read_bytes() == b"an earlier version's"

    def test_an_unknown_name(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownBuiltin, match="finery/tiny-llama"):
            ensure_builtin("finery/huge", tmp_path)

    def test_every_name_of_the_contract_is_made(self) -> None:
        assert set(BUILTIN_MODELS) == {"finery/tiny-llama", "finery/tiny-qwen", "finery/tiny-llama-instruct"}


class TestCommand:
    @pytest.mark.thorough
    def test_many_at_once_make_it_once_and_print_the_folder(self, tmp_path: Path) -> None:
        argv = [sys.executable, "-m", "finery.trainers.builtin", "finery/tiny-qwen", str(tmp_path)]
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        processes = [
            subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
        ]
        told = [process.communicate(timeout=120) for process in processes]
        assert [out.decode().strip() for out, _ in told] == [str(tmp_path / "finery" / "tiny-qwen")] * 2
        assert sum(b"making the built-in model" in err for _, err in told) == 1

    def test_then_becomes_the_command(self, tmp_path: Path, tiny_llama: Path, cache: Path) -> None:
        argv = [
            sys.executable,
            "-m",
            "finery.trainers.builtin",
            "finery/tiny-llama",
            str(cache),
            "--then",
            "echo",
            "served",
        ]
        done = subprocess.run(argv, env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "served\n")

    def test_unknown_names_fail(self, tmp_path: Path) -> None:
        argv = [sys.executable, "-m", "finery.trainers.builtin", "finery/huge", str(tmp_path)]
        done = subprocess.run(argv, env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True)
        assert done.returncode == 2
        assert "there is no built-in model" in done.stderr
