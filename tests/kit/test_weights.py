import json
import struct
from pathlib import Path

import pytest

from finery.kit.weights import count_parameters, parameters_in_name


def write(path: Path, shapes: dict[str, list[int]]) -> None:
    header = json.dumps(
        {name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()}
    )
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode())


class TestCountParameters:
    def test_over_all_files(self, tmp_path: Path) -> None:
        write(tmp_path / "model-00001.safetensors", {"a": [4, 8], "scalar": []})
        write(tmp_path / "model-00002.safetensors", {"b": [3]})
        assert count_parameters(tmp_path) == 4 * 8 + 1 + 3

    @pytest.mark.parametrize("data", [b"", b"\xff" * 8, struct.pack("<Q", 4) + b"nope", struct.pack("<Q", 2) + b"[]"])
    def test_a_broken_file_gives_none(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "model.safetensors").write_bytes(data)
        assert count_parameters(tmp_path) is None

    def test_no_file_gives_none(self, tmp_path: Path) -> None:
        assert count_parameters(tmp_path) is None


class TestParametersInName:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("Qwen/Qwen3-0.6B", 600_000_000),
            ("meta-llama/Llama-3.1-8B-Instruct", 8_000_000_000),
            ("HuggingFaceTB/SmolLM2-135M", 135_000_000),
            ("mistralai/Mixtral-8x7B-v0.1", None),
            ("gpt2", None),
        ],
    )
    def test_as_models_are_named(self, name: str, expected: int | None) -> None:
        assert parameters_in_name(name) == expected
