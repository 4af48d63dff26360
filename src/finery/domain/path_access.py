"""Whose a path is: runs and deployments have folders and logs, and runs the folder that their model goes to.

What none of them has is everybody's who may use this server.
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
    """Whether to `actor` there must seem to be nothing at `path` (absolute, links followed)."""
    home = context.home.path.resolve()
    if not actor.sees_all_runs and (
        _is_in_hidden_run(session, path, actor, home) or _is_in_output(session, path, ~runs_visible_to(actor), context)
    ):
        return True
    return not actor.sees_all_deployments and _is_in_hidden_deployment(session, path, actor, home)


def is_anothers_output(session: Session, path: Path, actor: Principal, context: DomainContext) -> bool:
    """Whether a run that is not theirs to change has or will have its model at `path` (absolute), around it or in it.

    What is put at `path` replaces all that is below.
    """
    if actor.sees_all_runs:
        return False
    theirs = runs_writable_by(actor)
    query = select(RunRow.number).where(*has_output_below(path, context), ~theirs).limit(1)
    return _is_in_output(session, path, ~theirs, context) or session.scalars(query).first() is not None


def has_output_below(path: Path, context: DomainContext) -> list[ColumnElement[bool]]:
    """The conditions on a run that its model lies, or will lie, in a folder below `path` (absolute)."""
    below = RunRow.output_dir.startswith(f"{context.resolver.relative(path)}/", autoescape=True)
    if path.is_dir():
        return [below, RunRow.output_hash.is_not(None)]
    # Nothing lies below what is not there, but something may be about to. This is the usual case, and must not take
    # longer with each run that ever was.
    return [below, RunRow.status.in_(UNFINISHED), RunRow.output_hash.is_not(None)]


def maker_of(folder: Path) -> str | None:
    """The run whose model lies there, as the marker says that every training puts beside it."""
    marker = read_json(folder / OUTPUT_MARKER) if folder.is_dir() else None
    return marker.get("run_id") if isinstance(marker, dict) else None


def hash_output(name: str) -> str:
    """SHA-256 (hex) of an output directory as a run names it, by which its runs are found."""
    return hashlib.sha256(name.encode()).hexdigest()


def _is_in_hidden_run(session: Session, path: Path, actor: Principal, home: Path) -> bool:
    run_id = _first_in(path, home / "runs")
    log = _first_in(path, home / "outputs" / "training_logs")
    if log is not None:
        run_id = log.removeprefix("job_").removesuffix(".log")
    if run_id is None:
        return False
    query = select(RunRow.number).where(RunRow.id == run_id, runs_visible_to(actor))
    return session.scalars(query).first() is None


def _is_in_hidden_deployment(session: Session, path: Path, actor: Principal, home: Path) -> bool:
    deployment_id = _first_in(path, home / "deployments")
    log = _first_in(path, home / "deploy_logs")
    if log is not None:
        deployment_id = log.removesuffix(".log")
    if deployment_id is None:
        return False
    query = select(DeploymentRow.id).where(DeploymentRow.id == deployment_id, deployments_visible_to(actor))
    return session.scalars(query).first() is None


def _first_in(path: Path, folder: Path) -> str | None:
    """The first name on the way from `folder` to `path`: empty for the folder itself, None outside of it."""
    if not path.is_relative_to(folder):
        return None
    return next(iter(path.relative_to(folder).parts), "")


def _is_in_output(session: Session, path: Path, unlike: ColumnElement[bool], context: DomainContext) -> bool:
    """Whether the innermost output directory around `path` has a run that is `unlike`."""
    hashes = [hash_output(context.resolver.relative(folder)) for folder in (path, *path.parents)]
    query = (
        select(RunRow.output_hash, func.max(case((unlike, 1), else_=0)))
        .where(RunRow.output_hash.in_(hashes))
        .group_by(RunRow.output_hash)
    )
    found = {output_hash: bool(is_unlike) for output_hash, is_unlike in session.execute(query)}
    return next((found[output_hash] for output_hash in hashes if output_hash in found), False)
