"""Finds who needs a model: unfinished runs that read it, and adapters that were trained on it."""

import json
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from sqlalchemy import ColumnElement, String, and_, cast, or_, select
from sqlalchemy.orm import Session

from finery.contracts.model_folder import base_of, is_adapter
from finery.contracts.permissions import Principal
from finery.contracts.resolved_run import ResolvedRun
from finery.contracts.status import RunStatus
from finery.domain.ownership import SHOWN_ID, deployments_visible_to, runs_visible_to
from finery.domain.path_access import UNFINISHED, run_of_output
from finery.models import DeploymentRow, RunRow


def users_of(session: Session, folders: Sequence[Path], actor: Principal, *, within: Path | None = None) -> list[str]:
    """Return who needs a model in one of the folders, or below: `run 'a1b2'`, or `somebody's run` for a hidden one.

    An adapter that lies in the folder itself does not count, since it is removed with it. All runs are searched once
    for each folder; many that lie in one, `within`, are searched for at once.
    """
    # A model may be known by either path where the home itself is a link.
    paths = {path for folder in folders for path in (folder, folder.resolve())}
    around = () if within is None else (within, within.resolve())
    searched = {next((whole for whole in around if path.is_relative_to(whole)), path) for path in paths}
    of_runs = [user for whole in sorted(searched) for user in _runs(session, whole, paths, actor)]
    return list(dict.fromkeys([*of_runs, *_engines(session, paths, actor)]))


def _runs(session: Session, whole: Path, folders: AbstractSet[Path], actor: Principal) -> Iterator[str]:
    """Yield the runs that need a model in one of the folders, of those that name a path in `whole`."""
    has_model = and_(RunRow.status == RunStatus.SUCCEEDED, RunRow.output_hash.is_not(None))
    query = select(RunRow.id, SHOWN_ID, RunRow.status, RunRow.spec, runs_visible_to(actor)).where(
        or_(RunRow.status.in_(UNFINISHED), has_model), names_folder(whole)
    )
    for own_id, run_id, status, spec, is_visible in session.execute(query):
        named = {folder for model in spec.models.values() for folder in _around(Path(model)) & folders}
        if not named:
            continue
        is_adapter_run = status == RunStatus.SUCCEEDED
        if is_adapter_run and not any(_is_adapter_on(spec, folder, own_id) for folder in named):
            continue
        name = f"run {run_id!r}" if is_visible else "somebody's run"
        yield f"the adapter of {name}" if is_adapter_run else name


def _is_adapter_on(spec: ResolvedRun, folder: Path, run_id: str) -> bool:
    output = spec.output_dir
    if output is None or output.is_relative_to(folder) or run_of_output(output) not in (None, run_id):
        return False
    # One that does not say what its base is was trained on what its run names.
    return is_adapter(output) and (base_of(output) is None or folder in _bases_of(output))


def _around(path: Path) -> set[Path]:
    return {path, *path.parents}


def _engines(session: Session, folders: AbstractSet[Path], actor: Principal) -> Iterator[str]:
    query = select(DeploymentRow.id, DeploymentRow.model, deployments_visible_to(actor))
    for deployment_id, model, is_visible in session.execute(query.where(DeploymentRow.finished_at.is_(None))):
        served = Path(model)
        if served.is_absolute() and _bases_of(served) & (folders - _around(served)):
            name = f"deployment {deployment_id!r}" if is_visible else "somebody's deployment"
            yield f"the adapter of {name}"


def _bases_of(adapter: Path) -> set[Path]:
    """Return the folder of the model that an adapter was trained on, and all around it."""
    base = base_of(adapter) if is_adapter(adapter) else None
    return _around(Path(base).resolve()) if base is not None and Path(base).is_absolute() else set()


def names_folder(folder: Path) -> ColumnElement[bool]:
    """Return the condition that the resolved run names the folder or what is below it.

    It searches the stored JSON as text, which is quicker than to parse all. Some databases keep the escapes of what is
    not ASCII.
    """
    written = cast(RunRow.spec, String)
    forms = {json.dumps(str(folder))[:-1], json.dumps(str(folder), ensure_ascii=False)[:-1]}
    return or_(*(written.contains(form + end, autoescape=True) for form in forms for end in ('"', "/")))
