"""Checks that a folder holds a model that can be loaded, by its configuration and the headers of its weights."""

import stat
from collections.abc import Hashable, Iterator
from functools import lru_cache
from pathlib import Path

from finery.contracts.model_folder import (
    ADAPTER_CONFIG,
    BASE_RECORD,
    CONFIG,
    OTHER_BASE,
    base_has_changed,
    base_of,
    is_adapter,
)
from finery.domain.catalog.errors import ModelNotFound, ModelRefused
from finery.kit.files import read_bounded_json
from finery.kit.translatable import Translatable
from finery.kit.weights import WeightsRefused, check_weights

DESCRIPTIONS = (CONFIG, ADAPTER_CONFIG)
INDEX = "*.safetensors.index.json"
PICKLES = ("pytorch_model*.bin", "adapter_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
MOST_FILES = 10_000
MOST_SHARDS = 2000
"""The largest published models have some 200."""


def check_model_folder(path: Path, name: str) -> None:
    """Raises ModelNotFound, and ModelRefused naming the file that cannot be used. `name` stands in the messages."""
    if path.is_file():
        raise ModelRefused(
            Translatable("model {name!r} is a file; name the folder that holds it and its config.json", name=name)
        )
    if not path.is_dir():
        raise ModelRefused(Translatable("model {name!r} is neither a file nor a folder", name=name))
    try:
        _check_kinds(path, name)
        descriptions = [path / description for description in DESCRIPTIONS if (path / description).is_file()]
        if not descriptions:
            raise ModelNotFound(
                Translatable(
                    "folder {name!r} holds no model: neither config.json nor adapter_config.json is in it", name=name
                )
            )
        _check_weights(path, name)
        for description in descriptions:
            if not isinstance(read_bounded_json(description), dict):
                raise ModelRefused(
                    Translatable("model {name!r}: {file} is no JSON object", name=name, file=description.name)
                )
        base = base_of(path) if is_adapter(path) else None
        if base is not None and _has_changed(path, base, _state_of(path), _state_of(Path(base))):
            raise ModelRefused(f"model {name!r}: " + OTHER_BASE.format(adapter=path.name, base=Path(base).name))
    except ValueError as error:
        raise ModelRefused(Translatable("model {name!r}: {error}", name=name, error=error)) from error
    except OSError as error:
        raise ModelRefused(
            Translatable("model {name!r}: cannot be read: {strerror}", name=name, strerror=error.strerror)
        ) from error


def _check_kinds(folder: Path, name: str) -> None:
    # Whoever opened a named pipe among the files would block.
    for number, path in enumerate(folder.iterdir()):
        if number == MOST_FILES:
            raise ModelRefused(
                Translatable(
                    "model {name!r} has more than {most_files:,} files in its folder", name=name, most_files=MOST_FILES
                )
            )
        try:
            mode = path.stat().st_mode
        except OSError:
            # A broken link: a loader that needs the file says so itself.
            continue
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise ModelRefused(
                Translatable("model {name!r}: {file} is neither a file nor a folder", name=name, file=path.name)
            )


def _check_weights(folder: Path, name: str) -> None:
    shards = sorted(folder.glob("*.safetensors"))
    if not shards:
        if any(next(folder.glob(pattern), None) is not None for pattern in PICKLES):
            raise ModelRefused(
                Translatable(
                    "model {name!r} holds pickled weights, which can run code; convert them to safetensors", name=name
                )
            )
        raise ModelNotFound(Translatable("folder {name!r} holds no weights: no .safetensors file is in it", name=name))
    if len(shards) > MOST_SHARDS:
        raise ModelRefused(
            Translatable(
                "model {name!r} has more than {most_shards:,} files of weights", name=name, most_shards=MOST_SHARDS
            )
        )
    missing = sorted(set(_indexed_files(folder)) - {shard.name for shard in shards})
    if missing:
        raise ModelRefused(
            Translatable(
                "model {name!r}: its index names {missing!r}, which is not there", name=name, missing=missing[0][:100]
            )
        )
    for shard in shards:
        problem = _problem(shard, _state_of_file(shard))
        if problem is not None:
            raise ModelRefused(Translatable("model {name!r}: {problem}", name=name, problem=problem))


@lru_cache(maxsize=4096)
def _problem(shard: Path, _state: Hashable) -> str | None:
    """Return what is wrong with the file. It is read once while its state is the same: each request names a model."""
    try:
        check_weights(shard)
    except WeightsRefused as error:
        return str(error)
    return None


@lru_cache(maxsize=4096)
def _has_changed(adapter: Path, base: str, *_states: Hashable) -> bool:
    """Return whether the base has other weights than the adapter was trained on.

    The folders are read once while their state is the same. A model of a hub is checked again when it is loaded.
    """
    return base_has_changed(adapter, base)


def _state_of(folder: Path) -> Hashable:
    files = [*folder.glob("*.safetensors"), *folder.glob(BASE_RECORD)]
    return tuple((path.name, _state_of_file(path)) for path in sorted(files))


def _state_of_file(path: Path) -> Hashable:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _indexed_files(folder: Path) -> Iterator[str]:
    """Yield the files of weights that the index names. Raises ValueError."""
    for path in folder.glob(INDEX):
        index = read_bounded_json(path, limit=64 * 2**20)
        files = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(files, dict) or not all(isinstance(file, str) for file in files.values()):
            raise ValueError(Translatable("{name} has no weight_map of names", name=path.name))
        yield from files.values()
