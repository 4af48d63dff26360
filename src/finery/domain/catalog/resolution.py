"""From the name of a model to what a trainer or an engine can load."""

import re
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.builtin import BUILTIN_MODELS
from finery.contracts.status import RunStatus
from finery.domain.catalog.errors import ModelNotFound, ModelRefused
from finery.domain.ground import Ground
from finery.kit.paths import PathRefused
from finery.kit.suggest import nearest
from finery.models import RunRow

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
DESCRIPTIONS = ("config.json", "adapter_config.json")
PICKLES = ("pytorch_model*.bin", "adapter_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def resolve_model(session: Session, name: str, ground: Ground) -> str:
    """An absolute folder, a built-in model's name, or a hub id. Raises ModelNotFound, ModelRefused."""
    if name.startswith("finery/"):
        return _builtin(name)
    if (folder := _local_folder(name, ground)) is not None:
        return str(folder)
    if (output := _output_of_run(session, name)) is not None:
        return str(_loadable(output, name))
    if HUB_ID.fullmatch(name) and not _is_below_home(name, ground):
        return name
    raise ModelNotFound(f"model {name[:200]!r} is no built-in model, no folder here, no finished run and no hub id")


def _builtin(name: str) -> str:
    if name in BUILTIN_MODELS:
        return name
    near = nearest(name, BUILTIN_MODELS)
    hint = f"did you mean {near!r}?" if near else f"known: {', '.join(BUILTIN_MODELS)}"
    raise ModelNotFound(f"there is no built-in model {name[:100]!r}; {hint}")


def _local_folder(name: str, ground: Ground) -> Path | None:
    try:
        path = ground.resolver.resolve(name)
    except PathRefused as error:
        raise ModelNotFound(str(error)) from error
    if path == ground.home.path.resolve() or not path.exists():
        return None
    if path.is_file():
        raise ModelRefused(f"model {name!r} is a file; name the folder that holds it and its config.json")
    return _loadable(path, name)


def _loadable(path: Path, name: str) -> Path:
    if not any((path / description).is_file() for description in DESCRIPTIONS):
        raise ModelNotFound(f"folder {name!r} holds no model: neither config.json nor adapter_config.json is in it")
    if next(path.glob("*.safetensors"), None) is not None:
        return path
    if any(next(path.glob(pattern), None) is not None for pattern in PICKLES):
        raise ModelRefused(f"model {name!r} holds pickled weights, which can run code; convert them to safetensors")
    raise ModelNotFound(f"folder {name!r} holds no weights: no .safetensors file is in it")


def _output_of_run(session: Session, run_id: str) -> Path | None:
    row = session.scalars(select(RunRow).where(RunRow.id == run_id)).one_or_none()
    if row is None or row.spec.get("output_dir") is None:
        return None
    if row.status != RunStatus.SUCCEEDED:
        raise ModelNotFound(f"run {run_id!r} is {row.status}; only a succeeded run has a model to give")
    return Path(row.spec["output_dir"])


def _is_below_home(name: str, ground: Ground) -> bool:
    """True for `outputs/x` where home has a folder `outputs`: that is a path to nothing, not a hub id."""
    first, slash, _ = name.partition("/")
    return bool(slash) and (first == "outputs" or (ground.home.path / first).is_dir())
