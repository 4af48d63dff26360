"""How large a model is, told by the headers of its files: no weight is read."""

import json
import math
import re
import struct
from pathlib import Path
from typing import Any

LONGEST_HEADER = 100 << 20
_SIZE_IN_NAME = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)([bBmM])(?![A-Za-z0-9])")


def count_parameters(folder: Path) -> int | None:
    """Over all `.safetensors` files of a folder; None when there is none that can be read.

    The format: 8 bytes, little-endian, the length of a JSON object that gives each tensor's `shape`
    (https://github.com/huggingface/safetensors#format).
    """
    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        try:
            total += sum(math.prod(tensor["shape"]) for tensor in _tensors(path))
        except (OSError, ValueError, KeyError, TypeError, struct.error):
            return None
    return total or None


def parameters_in_name(name: str) -> int | None:
    """As many as a model's name says: `Qwen3-0.6B` has 600 million."""
    found = _SIZE_IN_NAME.search(name)
    if found is None:
        return None
    return int(float(found[1]) * (1_000_000_000 if found[2] in "bB" else 1_000_000))


def _tensors(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > LONGEST_HEADER:
            raise ValueError(f"{path} has no header of a usable size")
        header = json.loads(file.read(length))
        if not isinstance(header, dict):
            raise ValueError(f"{path} has no header")
    return [tensor for name, tensor in header.items() if name != "__metadata__"]
