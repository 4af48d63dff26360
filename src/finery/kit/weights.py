"""Reads safetensors files without loading weights: counts parameters, checks that files are complete, and fingerprints
a sample of their bytes.

The format: 8 bytes, little-endian, the length of a JSON object that gives each tensor's `dtype`, `shape` and
`data_offsets`; the bytes after it belong to the tensors without a gap (https://github.com/huggingface/safetensors#format).
"""

import hashlib
import json
import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finery.kit.files import open_regular

LONGEST_HEADER = 32 << 20
"""The format allows 100 MB; a hundred thousand tensors take half of this."""
LENGTH_BYTES = 8
SAMPLES, SAMPLE_BYTES, LEAST_SAMPLES = 1024, 1 << 14, 16
BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "I8", "U8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
"""The format's name of a number type → its size in bits."""
_SIZE_IN_NAME = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)([bBmM])(?![A-Za-z0-9])")


class WeightsRefused(ValueError):
    """The file is incomplete or invalid; the message names it and the reason."""


def count_parameters(folder: Path) -> int | None:
    """Counts the parameters in a folder's `.safetensors` files; None if there are none or one cannot be read."""
    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        try:
            total += sum(math.prod(tensor["shape"]) for tensor in _header(path)[0].values())
        except (OSError, ValueError, KeyError, TypeError):
            return None
    return total or None


@dataclass(frozen=True)
class TensorType:
    dtype: str
    """A key of BITS."""
    shape: tuple[int, ...]


def tensor_types(folder: Path) -> dict[str, TensorType]:
    """Returns the tensors in a folder's `.safetensors` files by name, without their numbers.

    Raises OSError, and WeightsRefused if a file is incomplete or not of this format.
    """
    found: dict[str, TensorType] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            found |= {
                name: TensorType(tensor["dtype"], tuple(tensor["shape"])) for name, tensor in _header(path)[0].items()
            }
        except (KeyError, TypeError) as error:
            raise WeightsRefused(f"{path.name} describes a tensor in no way of the format: {error}"[:300]) from error
    return found


def tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Returns the shapes alone. Raises as `tensor_types` does."""
    return {name: tensor.shape for name, tensor in tensor_types(folder).items()}


def check_weights(path: Path) -> None:
    """Raises WeightsRefused if the file is incomplete or not of this format, and OSError if it cannot be read."""
    tensors, size = _header(path)
    try:
        spans = sorted(_span(path, name, tensor) for name, tensor in tensors.items())
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise WeightsRefused(f"{path.name} describes a tensor in no way of the format: {error}"[:300]) from error
    end = 0
    for start, stop in spans:
        if start != end:
            raise WeightsRefused(f"{path.name} has tensors that overlap, or bytes between them")
        end = stop
    if end != size:
        raise WeightsRefused(
            f"{path.name} has {size:,} bytes of weights, and its header tells of {end:,}: it is not whole"
        )


def hash_weights(folder: Path) -> str | None:
    """Returns a SHA-256 (hexadecimal) that identifies the weights in a folder; None if there are none.

    It covers a thousand evenly spread pieces of large files: a training changes nearly every weight, and reading all of
    them would take as long as loading the model. Raises OSError.
    """
    paths = sorted(folder.glob("*.safetensors"))
    samples = max(LEAST_SAMPLES, SAMPLES // max(1, len(paths)))
    digest = hashlib.sha256()
    for path in paths:
        with open_regular(path) as file:
            size = file.seek(0, 2)
            digest.update(f"{path.name}\0{size}\n".encode())
            for start in range(0, size, max(SAMPLE_BYTES, size // samples)):
                file.seek(start)
                digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest() if paths else None


def parameters_in_name(name: str) -> int | None:
    """Returns the number of parameters in a model's name: 600 million for `Qwen3-0.6B`; None if it has none."""
    match = _SIZE_IN_NAME.search(name)
    if match is None:
        return None
    return int(float(match[1]) * (1_000_000_000 if match[2] in "bB" else 1_000_000))


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Returns the tensors by name, and the number of bytes after the header. Raises OSError, WeightsRefused."""
    with open_regular(path) as file:
        size = file.seek(0, 2) - LENGTH_BYTES
        file.seek(0)
        if size < 0:
            raise WeightsRefused(f"{path.name} is empty, or too short to be weights")
        (length,) = struct.unpack("<Q", file.read(LENGTH_BYTES))
        if length > min(size, LONGEST_HEADER):
            raise WeightsRefused(f"{path.name} has no header of a usable size: it is cut off, or no safetensors file")
        header = _parsed(path, file.read(length))
    header.pop("__metadata__", None)
    return header, size - length


def _parsed(path: Path, data: bytes) -> dict[str, Any]:
    try:
        header = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WeightsRefused(f"{path.name} has a header that is no JSON, or nested too deeply") from error
    if not isinstance(header, dict):
        raise WeightsRefused(f"{path.name} has a header that is no JSON object")
    return header


def _span(path: Path, name: str, tensor: dict[str, Any]) -> tuple[int, int]:
    (start, stop), shape, bits = tensor["data_offsets"], tensor["shape"], BITS[tensor["dtype"]]
    if not all(type(number) is int and number >= 0 for number in (start, stop, *shape)):
        raise WeightsRefused(f"{path.name}: tensor {name[:100]!r} has an offset or a side that is no count")
    if (stop - start) * 8 != math.prod(shape) * bits:
        raise WeightsRefused(f"{path.name}: tensor {name[:100]!r} has another number of bytes than its shape needs")
    return start, stop
