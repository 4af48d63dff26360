"""Who may read and write a path: the folders, logs and outputs of runs and deployments are as visible as these are.

A path that belongs to no run and no deployment is open to all who may use this server.
"""

import hashlib
from pathlib import Path

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from finery.contracts.layout import OUTPUT_MARKER
from finery.contracts.permissions import Principal
from finery.contracts.status import FINISHED, RunStatus
from finery.domain.context import DomainContext
from finery.domain.ownership import deployments_visible_to, runs_visible_to, runs_writable_by
from finery.kit.files import read_json
from finery.models import DeploymentRow, RunRow

UNFINISHED = [status for status in RunStatus if status not in FINISHED]


def is_hidden(session: Session, path: Path, actor: Principal, context: DomainContext) -> bool:
    """Return whether `path` (absolute, links followed) must look to `actor` as if nothing were there."""
    home = context.home.path.resolve()
    if not actor.sees_all_runs and (
        _is_in_hidden_run(session, path, actor, home) or _is_in_output(session, path, ~runs_visible_to(actor), context)
    ):
        return True
    return not actor.sees_all_deployments and _is_in_hidden_deployment(session, path, actor, home)


def is_anothers_output(session: Session, path: Path, actor: Principal, context: DomainContext) -> bool:
    """Return whether a run that `actor` may not change has or will have its model at `path`, around it or in it.

    `path` is absolute. What is written to `path` replaces all that is below.
    """
    if actor.sees_all_runs:
        return False
    is_foreign = ~runs_writable_by(actor)
    query = select(RunRow.number).where(*has_output_below(path, context), is_foreign).limit(1)
    return _is_in_output(session, path, is_foreign, context) or session.scalars(query).first() is not None


def has_output_below(path: Path, context: DomainContext) -> list[ColumnElement[bool]]:
    """Return the conditions that a run's model lies, or will lie, in a folder below `path` (absolute)."""
    below = RunRow.output_dir.startswith(f"{context.resolver.relative(path)}/", autoescape=True)
    if path.is_dir():
        return [below, RunRow.output_hash.is_not(None)]
    # Nothing lies below a folder that does not exist, but an unfinished run may be about to write there. This is the
    # usual case, and must not take longer with each run that ever was.
    return [below, RunRow.status.in_(UNFINISHED), RunRow.output_hash.is_not(None)]


def run_of_output(folder: Path) -> str | None:
    """Return the id of the run whose model lies there, from the marker that every training writes beside it."""
    marker = read_json(folder / OUTPUT_MARKER) if folder.is_dir() else None
    return marker.get("run_id") if isinstance(marker, dict) else None


def hash_output(name: str) -> str:
    """Return the SHA-256 (hex) of an output directory as a run names it, which indexes the runs of a directory."""
    return hashlib.sha256(name.encode()).hexdigest()


def _is_in_hidden_run(session: Session, path: Path, actor: Principal, home: Path) -> bool:
    run_id = _id_at(path, home / "runs", home / "outputs" / "training_logs")
    query = select(RunRow.number).where(RunRow.id == run_id, runs_visible_to(actor))
    return run_id is not None and session.scalars(query).first() is None


def _is_in_hidden_deployment(session: Session, path: Path, actor: Principal, home: Path) -> bool:
    deployment_id = _id_at(path, home / "deployments", home / "deploy_logs")
    query = select(DeploymentRow.id).where(DeploymentRow.id == deployment_id, deployments_visible_to(actor))
    return deployment_id is not None and session.scalars(query).first() is None


def _id_at(path: Path, folders: Path, logs: Path) -> str | None:
    """Return the id whose folder, or log file, `path` is or lies in; None where it is in neither place."""
    log = _first_in(path, logs)
    return _first_in(path, folders) if log is None else log.removeprefix("job_").removesuffix(".log")


def _first_in(path: Path, folder: Path) -> str | None:
    """Return the first name on the way from `folder` to `path`: empty for the folder itself, None outside of it."""
    if not path.is_relative_to(folder):
        return None
    return next(iter(path.relative_to(folder).parts), "")


def _is_in_output(session: Session, path: Path, condition: ColumnElement[bool], context: DomainContext) -> bool:
    """Return whether the innermost output directory around `path` has a run for which `condition` holds."""
    hashes = [hash_output(context.resolver.relative(folder)) for folder in (path, *path.parents)]
    query = (
        select(RunRow.output_hash, func.max(case((condition, 1), else_=0)))
        .where(RunRow.output_hash.in_(hashes))
        .group_by(RunRow.output_hash)
    )
    holds = {output_hash: bool(any_run) for output_hash, any_run in session.execute(query)}
    return next((holds[output_hash] for output_hash in hashes if output_hash in holds), False)
