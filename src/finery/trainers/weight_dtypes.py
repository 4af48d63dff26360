"""Gives a trained model's weights the dtypes of its base's: a base in bf16 is trained in fp32, and saved in bf16."""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel

from finery.kit.hub_cache import cached_snapshot
from finery.kit.weights import tensor_types

FLOATS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""The safetensors format's name of a number type → torch's. Others are quantized, and are loaded as one of these."""


@dataclass(frozen=True)
class WeightDtypes:
    by_name: dict[str, torch.dtype]
    most: torch.dtype | None
    """The dtype of most numbers; None where the base's files are not found."""

    @classmethod
    def of_base(cls, base: str) -> "WeightDtypes":
        """Reads the headers of a base's files; `base` is a folder or a hub id. Raises OSError, WeightsRefused."""
        folder = Path(base) if Path(base).is_absolute() else cached_snapshot(base)
        tensors = {} if folder is None else tensor_types(folder)
        counted: Counter[str] = Counter()
        for tensor in tensors.values():
            counted[tensor.dtype] += math.prod(tensor.shape)
        floats = [name for name, _ in counted.most_common() if name in FLOATS]
        by_name = {name: FLOATS[tensor.dtype] for name, tensor in tensors.items() if tensor.dtype in FLOATS}
        return cls(by_name, FLOATS[floats[0]] if floats else None)

    def apply(self, model: PreTrainedModel) -> None:
        """Casts the weights in place. Those that the base's files do not name, as an expert's that are one tensor in
        the model, get the dtype of most. A buffer of another name is not saved, and stays as it is.
        """
        for name, parameter in model.named_parameters():
            dtype = self.by_name.get(name, self.most)
            if dtype is not None and parameter.is_floating_point():
                # Assigned to the same Parameter, so that tied weights stay tied.
                parameter.data = parameter.data.to(dtype)
        for name, buffer in model.named_buffers():
            if name in self.by_name:
                buffer.data = buffer.data.to(self.by_name[name])
