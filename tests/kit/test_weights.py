import json
import os
import struct
from pathlib import Path

import pytest

from finery.kit.files import NotRegular
from finery.kit.weights import (
    SAMPLE_BYTES,
    SAMPLES,
    WeightsRefused,
    check_weights,
    count_parameters,
    hash_weights,
    parameters_in_name,
    tensor_shapes,
)
from tests.builders import write_weights


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


class TestTensorShapes:
    def test_over_all_files(self, tmp_path: Path) -> None:
        write(tmp_path / "model-00001.safetensors", {"a.weight": [4, 8], "scalar": []})
        write(tmp_path / "model-00002.safetensors", {"b": [3]})
        assert tensor_shapes(tmp_path) == {"a.weight": (4, 8), "scalar": (), "b": (3,)}

    @pytest.mark.parametrize("data", [b"", struct.pack("<Q", 8) + b'{"a": 1}', struct.pack("<Q", 9) + b'{"a": {}}'])
    def test_a_broken_file(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "model.safetensors").write_bytes(data)
        with pytest.raises(WeightsRefused, match=r"^model\.safetensors "):
            tensor_shapes(tmp_path)


def packed(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(start: int, end: int, shape: list[object], dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


class TestCheckWeights:
    @pytest.mark.parametrize(
        ("header", "size"),
        [
            ({}, 0),
            ({"a": tensor(0, 8, [2]), "b": tensor(8, 10, [1], "BF16"), "__metadata__": {"format": "pt"}}, 10),
            ({"b": tensor(4, 8, []), "a": tensor(0, 4, [1]), "none": tensor(4, 4, [0, 7])}, 8),
            ({"a": tensor(0, 3, [6], "F4")}, 3),
        ],
    )
    def test_whole(self, tmp_path: Path, header: object, size: int) -> None:
        (tmp_path / "w.safetensors").write_bytes(packed(header, b"0" * size))
        check_weights(tmp_path / "w.safetensors")

    @pytest.mark.parametrize(
        ("data", "says"),
        [
            (b"", "empty"),
            (b"1234567", "too short"),
            (b"\x80\x04\x95" + b"pickled model" * 9, "no safetensors file"),
            (struct.pack("<Q", 2**62), "cut off"),
            (packed(b"nope"), "no JSON"),
            (packed(b"[]"), "no JSON object"),
            (packed(b'{"a":' * 50_000 + b"1" + b"}" * 50_000), "nested too deeply"),
            (packed(b"[" * 100_000), "no JSON"),
            (packed({"a": tensor(0, 4, [1])}), "not whole"),
            (packed({"a": tensor(0, 4, [1])}, b"0" * 3), "not whole"),
            (packed({"a": tensor(0, 4, [1])}, b"0" * 5), "not whole"),
            (packed({"a": tensor(0, 4, [2])}, b"0" * 4), "another number of bytes"),
            (packed({"a": tensor(4, 8, [1])}, b"0" * 8), "bytes between"),
            (packed({"a": tensor(0, 8, [2]), "b": tensor(4, 8, [1])}, b"0" * 8), "overlap"),
            (packed({"a": tensor(4, 0, [-1])}, b"0" * 4), "no count"),
            (packed({"a": tensor(0, 4, [True])}, b"0" * 4), "no count"),
            (packed({"a": tensor(0, 4, [1], "F33")}, b"0" * 4), "in no way of the format"),
            (packed({"a": [1]}), "in no way of the format"),
            (packed({"a": {"shape": [1]}}), "in no way of the format"),
        ],
    )
    def test_refused(self, tmp_path: Path, data: bytes, says: str) -> None:
        (tmp_path / "w.safetensors").write_bytes(data)
        with pytest.raises(WeightsRefused, match=says):
            check_weights(tmp_path / "w.safetensors")

    def test_a_pipe_holds_nobody(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "w.safetensors")
        with pytest.raises(NotRegular, match="no regular file"):
            check_weights(tmp_path / "w.safetensors")
        assert count_parameters(tmp_path) is None

    def test_of_the_builders(self, tmp_path: Path) -> None:
        write_weights(tmp_path / "w.safetensors", parameters=10**12)
        check_weights(tmp_path / "w.safetensors")
        assert count_parameters(tmp_path) == 10**12


class TestHashWeights:
    def test_tells_other_weights(self, tmp_path: Path) -> None:
        assert hash_weights(tmp_path) is None
        path = tmp_path / "w.safetensors"
        write_weights(path, 2 * SAMPLES * SAMPLE_BYTES)
        first = hash_weights(tmp_path)
        assert first == hash_weights(tmp_path)
        with path.open("r+b") as file:
            file.seek(SAMPLES * SAMPLE_BYTES)
            file.write(b"x" * 4 * SAMPLE_BYTES)
        assert hash_weights(tmp_path) not in (None, first)

    def test_looks_at_every_file(self, tmp_path: Path) -> None:
        for index in range(3 * SAMPLES):
            write_weights(tmp_path / f"{index}.safetensors", 4)
        first = hash_weights(tmp_path)
        write_weights(tmp_path / "7.safetensors", 6)
        assert hash_weights(tmp_path) != first


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
