"""Resolves the name of a model to what a trainer or an engine can load.

A name means one thing to each user (decision 0013): first an administrator's name, then what Finery made (built-in and
fine-tuned models, a run by its id), then a path that looks like one, then the hub. A folder hides none of these: a name
that could be either is refused, and the message says how each is written.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.builtin_models import BUILTIN_MODELS
from finery.contracts.hub_names import HUB_ID, HUB_SCHEME, ONE_WORD_NAMES
from finery.contracts.model_names import JOB_PREFIX, fine_tuned_name, parse_fine_tuned
from finery.contracts.model_table import BaseModelEntry
from finery.contracts.permissions import SERVER, Principal
from finery.contracts.run import EXTERNAL
from finery.contracts.status import RunStatus
from finery.contracts.visible_text import check_plain
from finery.domain.catalog.errors import ModelAmbiguous, ModelNotFound, ModelRefused, WordUnknown
from finery.domain.catalog.folders import check_model_folder
from finery.domain.context import DomainContext
from finery.domain.ownership import find_run, runs_visible_to
from finery.domain.path_access import is_hidden, run_of_output
from finery.kit.hub_cache import cached_snapshot, is_offline
from finery.kit.paths import PathRefused
from finery.kit.suggest import nearest
from finery.kit.translatable import Translatable, message_of
from finery.models import RunRow

log = logging.getLogger(__name__)

PATH_STARTS = ("/", "./", "../", "~", "outputs/", "runs/", "models/")
"""How names begin that are paths: with a path's usual signs, or with a folder of the home that holds models."""
SHOWN = 200


@dataclass(frozen=True)
class ResolvedModel:
    model: str
    """An absolute folder, a built-in model's name, or a hub id."""
    entry: BaseModelEntry | None = None
    """The entry of the administrator's table, where the name is in it."""

    @property
    def folder(self) -> Path | None:
        return Path(self.model) if self.model.startswith("/") else None

    @property
    def is_on_hub(self) -> bool:
        return self.folder is None and self.model not in BUILTIN_MODELS


def resolve(
    session: Session, name: str, context: DomainContext, actor: Principal, *, is_path: bool = False
) -> ResolvedModel:
    """Resolve the name of a model. Raises ModelNotFound, also for what `actor` may not see, and ModelRefused.

    `is_path` says that the field is one for paths: an existing folder is meant, also where a hub may have a model of
    that name.
    """
    try:
        check_plain(name)
    except ValueError as error:
        raise ModelRefused(Translatable("model {name!r}: {error}", name=name[:SHOWN], error=error)) from error
    entry = context.models.get(name)
    if entry is None:
        return ResolvedModel(_find(session, name, context, actor, is_path=is_path))
    try:
        # Whoever may use models may use those that the administrator has named, also the output of a private run.
        return ResolvedModel(_find(session, entry.model, context, SERVER), entry)
    except (ModelNotFound, ModelRefused) as error:
        warn_of_entry(name, str(error))
        raise ModelNotFound(
            Translatable(
                "what the administrator's table (models.yaml) names for {name!r} is not here, or cannot be "
                "used; the server's log says why",
                name=name,
            )
        ) from error


@lru_cache(maxsize=1000)
def warn_of_entry(name: str, reason: str) -> None:
    """Log it once, since clients repeat their requests."""
    log.warning("models.yaml: %s: %s", name, reason)


def says_path(name: str) -> bool:
    """Return whether the name can only be a path: it begins as one, or has slashes and is no id of a hub."""
    return name.startswith(PATH_STARTS) or ("/" in name and HUB_ID.fullmatch(name) is None)


def _find(session: Session, name: str, context: DomainContext, actor: Principal, *, is_path: bool = False) -> str:
    if name.startswith("finery/"):
        if name in BUILTIN_MODELS:
            return name
        near = nearest(name[:SHOWN], BUILTIN_MODELS)
        hint = (
            Translatable("did you mean {near!r}?", near=near)
            if near
            else Translatable("known: {builtin_models}", builtin_models=", ".join(BUILTIN_MODELS))
        )
        raise ModelNotFound(Translatable("there is no built-in model {name!r}; {hint}", name=name[:SHOWN], hint=hint))
    if name.startswith("ft:"):
        return _fine_tuned(session, name, context, actor)
    if name.startswith(HUB_SCHEME):
        return _on_hub(name.removeprefix(HUB_SCHEME))
    folder = _visible_folder(session, name, context, actor)
    # Not by an id that another user chose for a shared run: a name would come to mean something else over night.
    run = None if "/" in name else find_run(session, name, actor)
    if run is not None and run.recipe != EXTERNAL:
        _refuse_ambiguous(name, _meanings(name, run, folder))
        return _checked(_output_of(session, run, context, actor), name)
    if folder is not None and (is_path or says_path(name)):
        return _checked(folder, name)
    if says_path(name):
        raise ModelNotFound(
            Translatable(
                "there is no folder {name!r} here that you may see; a run puts its model there once it has succeeded, "
                "and GET /v1/models lists what there is",
                name=name[:SHOWN],
            )
        )
    if folder is not None:
        _refuse_folder(name)
    if "/" not in name and name not in ONE_WORD_NAMES:
        raise _unknown_word(name, context)
    return _on_hub(name)


def _checked(folder: Path, name: str) -> str:
    check_model_folder(folder, name)
    return str(folder)


def _fine_tuned(session: Session, name: str, context: DomainContext, actor: Principal) -> str:
    """Find the run by its id, the last part of the name, so that a run that was renamed since is found as well."""
    parsed = parse_fine_tuned(name)
    run_ids = () if parsed is None else parsed.run_ids
    row = session.scalars(select(RunRow).where(RunRow.id.in_(run_ids), runs_visible_to(actor))).first()
    if parsed is None or row is None or row.spec.output_dir is None:
        raise ModelNotFound(Translatable("there is no fine-tuned model {name!r}", name=name[:SHOWN]))
    if parsed.step is None:
        return _checked(_output_of(session, row, context, actor), name)
    folder = context.home.run(row.id).checkpoints / f"checkpoint-{parsed.step}"
    if not folder.is_dir():
        raise ModelNotFound(
            Translatable("run {id!r} has no checkpoint of step {step}, or not any more", id=row.id, step=parsed.step)
        )
    return _checked(folder, name)


def _visible_folder(session: Session, name: str, context: DomainContext, actor: Principal) -> Path | None:
    """Return the folder, or file, at that path, or None where `actor` may not see it. Raises ModelRefused."""
    try:
        path = context.resolver.resolve(name)
    except PathRefused as error:
        raise ModelRefused(message_of(error)) from error
    if path == context.home.path.resolve() or not path.exists() or is_hidden(session, path, actor, context):
        return None
    return path


def _output_of(session: Session, row: RunRow, context: DomainContext, actor: Principal) -> Path:
    if row.status != RunStatus.SUCCEEDED:
        raise ModelNotFound(
            Translatable(
                "run {id!r} is {status}; only a succeeded run has a model to give", id=row.id, status=row.status
            )
        )
    output = row.spec.output_dir
    if output is None or is_hidden(session, output, actor, context):
        raise ModelNotFound(Translatable("the model of run {id!r} is there no more", id=row.id))
    if (other := run_of_output(output)) not in (None, row.id):
        raise ModelNotFound(
            Translatable(
                "the model of run {id!r} is gone: run {other!r} has put its own in the same place",
                id=row.id,
                other=other,
            )
        )
    return output


def _meanings(name: str, run: RunRow, folder: Path | None) -> dict[str, str]:
    """Return what the name of a run could mean, each with how it is written unambiguously."""
    meanings = {run.output_dir or fine_tuned_name("", None, run.id): "the run's model"}
    if folder is not None:
        meanings[f"./{name}"] = "the folder"
    if name in ONE_WORD_NAMES:
        meanings[ONE_WORD_NAMES[name]] = "the hub's model"
    return meanings


def _refuse_ambiguous(name: str, meanings: dict[str, str]) -> None:
    if len(meanings) > 1:
        listed = ", ".join(f"{written!r} for {meant}" for written, meant in meanings.items())
        raise ModelAmbiguous(
            Translatable("model {name!r} could be several: write {listed}", name=name[:SHOWN], listed=listed)
        )


def _refuse_folder(name: str) -> None:
    """Raises ModelRefused for a folder whose name does not look like a path, ModelAmbiguous where a hub may have it."""
    hub = name if "/" in name else ONE_WORD_NAMES.get(name)
    if hub is None:
        raise ModelRefused(
            Translatable("model {name!r} is no name of a model; for the folder write './{name}'", name=name[:SHOWN])
        )
    _refuse_ambiguous(name, {f"./{name}": "the folder", f"{HUB_SCHEME}{hub}": "the hub's model"})


def _on_hub(name: str) -> str:
    """Return the id for the hub's client. A model that was renamed has its new id, unless only the old is in the cache.

    Raises ModelNotFound for what cannot be an id, and where the hub is offline.
    """
    hub_id = ONE_WORD_NAMES.get(name, name)
    if HUB_ID.fullmatch(hub_id) is None:
        raise ModelNotFound(
            Translatable("{name!r} is no id of a hub's model, which is organization/name", name=name[:SHOWN])
        )
    if cached_snapshot(hub_id) is not None:
        return hub_id
    if cached_snapshot(name) is not None:
        return name
    if is_offline():
        raise ModelNotFound(
            Translatable(
                "model {name!r} is not in this machine's cache of the hub, and the server asks no hub "
                "(HF_HUB_OFFLINE); fetch it there, or name a folder",
                name=name[:SHOWN],
            )
        )
    return hub_id


def _unknown_word(name: str, context: DomainContext) -> ModelNotFound:
    if name.startswith(JOB_PREFIX):
        return ModelNotFound(Translatable("there is no finished run {name!r}", name=name[:SHOWN]))
    known: Iterable[str] = [*context.models, *BUILTIN_MODELS, *ONE_WORD_NAMES]
    near = nearest(name[:SHOWN], known)
    hint = Translatable("did you mean {near!r}? ", near=near) if near else ""
    return WordUnknown(
        Translatable(
            "no model is called {name!r}: {hint}A hub's model is named organization/name, a folder "
            "./folder, a run by its id, and GET /v1/models lists what else there is",
            name=name[:SHOWN],
            hint=hint,
        )
    )
