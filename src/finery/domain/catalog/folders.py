"""Whether a folder holds a model that can be loaded."""

from pathlib import Path

from finery.domain.catalog.errors import ModelNotFound, ModelRefused

DESCRIPTIONS = ("config.json", "adapter_config.json")
PICKLES = ("pytorch_model*.bin", "adapter_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def loadable(path: Path, name: str) -> Path:
    """`path` itself. Raises ModelNotFound, ModelRefused."""
    if path.is_file():
        raise ModelRefused(f"model {name!r} is a file; name the folder that holds it and its config.json")
    if not any((path / description).is_file() for description in DESCRIPTIONS):
        raise ModelNotFound(f"folder {name!r} holds no model: neither config.json nor adapter_config.json is in it")
    if next(path.glob("*.safetensors"), None) is not None:
        return path
    if any(next(path.glob(pattern), None) is not None for pattern in PICKLES):
        raise ModelRefused(f"model {name!r} holds pickled weights, which can run code; convert them to safetensors")
    raise ModelNotFound(f"folder {name!r} holds no weights: no .safetensors file is in it")
