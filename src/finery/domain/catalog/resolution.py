"""From the name of a model to what a trainer or an engine can load."""

import logging
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.builtin import BUILTIN_MODELS
from finery.contracts.model_names import JOB_PREFIX, FineTuned, parse_fine_tuned
from finery.contracts.model_table import BaseModelEntry
from finery.contracts.permissions import SERVER, Principal
from finery.contracts.status import RunStatus
from finery.domain.catalog.errors import ModelNotFound, ModelRefused
from finery.domain.ground import Ground
from finery.domain.ownership import runs_visible_to
from finery.domain.places import is_hidden, maker_of
from finery.kit.paths import PathRefused
from finery.kit.suggest import nearest
from finery.models import RunRow

log = logging.getLogger(__name__)

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
DESCRIPTIONS = ("config.json", "adapter_config.json")
PICKLES = ("pytorch_model*.bin", "adapter_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True)
class ResolvedModel:
    model: str
    """An absolute folder, a built-in model's name, or a hub id."""
    entry: BaseModelEntry | None = None
    """Of the administrator's table, where the name is one of its own."""

    @property
    def folder(self) -> Path | None:
        return Path(self.model) if self.model.startswith("/") else None

    @property
    def is_on_hub(self) -> bool:
        return self.folder is None and self.model not in BUILTIN_MODELS


def resolve_model(session: Session, name: str, ground: Ground, who: Principal) -> str:
    """An absolute folder, a built-in model's name, or a hub id. Raises ModelNotFound, ModelRefused.

    What is hidden from `who` is not found, whatever lies there.
    """
    return resolve(session, name, ground, who).model


def resolve(session: Session, name: str, ground: Ground, who: Principal) -> ResolvedModel:
    """The same, with what the administrator says of the name."""
    entry = ground.models.get(name)
    if entry is None:
        return ResolvedModel(_find(session, name, ground, who))
    try:
        # Whoever may use models may use those that the administrator has named, also a run's that is private.
        return ResolvedModel(_find(session, entry.model, ground, SERVER), entry)
    except (ModelNotFound, ModelRefused) as error:
        warn_of_entry(name, str(error))
        raise ModelNotFound(
            f"what the administrator's table (models.yaml) names for {name!r} is not here, or cannot be used; "
            "the server's log says why"
        ) from error


@lru_cache(maxsize=1000)
def warn_of_entry(name: str, reason: str) -> None:
    """Once: clients ask again and again."""
    log.warning("models.yaml: %s: %s", name, reason)


def _find(session: Session, name: str, ground: Ground, who: Principal) -> str:
    if name.startswith("finery/"):
        return _builtin(name)
    if name.startswith("ft:"):
        return _fine_tuned(session, name, ground, who)
    folder = _local_folder(name, ground)
    is_free = folder is None or not is_hidden(session, folder, who, ground)
    if folder is not None and is_free:
        return str(_loadable(folder, name))
    if (output := _output_of_run(session, name, who)) is not None and not is_hidden(session, output, who, ground):
        return str(_loadable(output, name))
    if is_free and HUB_ID.fullmatch(name) and not name.startswith(JOB_PREFIX) and not _is_below_home(name, ground):
        return name
    raise ModelNotFound(
        f"model {name[:200]!r} is no name of the administrator's, no built-in model, no folder here, no finished run "
        "and no hub id"
    )


def _builtin(name: str) -> str:
    if name in BUILTIN_MODELS:
        return name
    near = nearest(name, BUILTIN_MODELS)
    hint = f"did you mean {near!r}?" if near else f"known: {', '.join(BUILTIN_MODELS)}"
    raise ModelNotFound(f"there is no built-in model {name[:100]!r}; {hint}")


def _fine_tuned(session: Session, name: str, ground: Ground, who: Principal) -> str:
    """The name's last parts say which run it is; a run that was given another name since is still found."""
    found = parse_fine_tuned(name)
    row = None if found is None else _run_of(session, found, who)
    if found is None or row is None or row.spec.get("output_dir") is None:
        raise ModelNotFound(f"there is no fine-tuned model {name[:200]!r}")
    if found.step is not None:
        folder = ground.home.run(row.id).checkpoints / f"checkpoint-{found.step}"
        if not folder.is_dir():
            raise ModelNotFound(f"run {row.id!r} has no checkpoint of step {found.step}, or not any more")
        return str(_loadable(folder, name))
    output = _output_of(row)
    if is_hidden(session, output, who, ground):
        raise ModelNotFound(f"there is no fine-tuned model {name[:200]!r}")
    return str(_loadable(output, name))


def _run_of(session: Session, found: FineTuned, who: Principal) -> RunRow | None:
    return session.scalars(select(RunRow).where(RunRow.id.in_(found.run_ids), runs_visible_to(who))).first()


def _local_folder(name: str, ground: Ground) -> Path | None:
    try:
        path = ground.resolver.resolve(name)
    except PathRefused as error:
        raise ModelNotFound(str(error)) from error
    return None if path == ground.home.path.resolve() or not path.exists() else path


def _loadable(path: Path, name: str) -> Path:
    if path.is_file():
        raise ModelRefused(f"model {name!r} is a file; name the folder that holds it and its config.json")
    if not any((path / description).is_file() for description in DESCRIPTIONS):
        raise ModelNotFound(f"folder {name!r} holds no model: neither config.json nor adapter_config.json is in it")
    if next(path.glob("*.safetensors"), None) is not None:
        return path
    if any(next(path.glob(pattern), None) is not None for pattern in PICKLES):
        raise ModelRefused(f"model {name!r} holds pickled weights, which can run code; convert them to safetensors")
    raise ModelNotFound(f"folder {name!r} holds no weights: no .safetensors file is in it")


def _output_of_run(session: Session, run_id: str, who: Principal) -> Path | None:
    row = session.scalars(select(RunRow).where(RunRow.id == run_id, runs_visible_to(who))).one_or_none()
    return None if row is None or row.spec.get("output_dir") is None else _output_of(row)


def _output_of(row: RunRow) -> Path:
    if row.status != RunStatus.SUCCEEDED:
        raise ModelNotFound(f"run {row.id!r} is {row.status}; only a succeeded run has a model to give")
    output = Path(row.spec["output_dir"])
    if (holder := maker_of(output)) not in (None, row.id):
        raise ModelNotFound(f"the model of run {row.id!r} is gone: run {holder!r} has put its own in the same place")
    return output


def _is_below_home(name: str, ground: Ground) -> bool:
    """True for `outputs/x` where home has a folder `outputs`: that is a path to nothing, not a hub id."""
    first, slash, _ = name.partition("/")
    return bool(slash) and (first == "outputs" or (ground.home.path / first).is_dir())
