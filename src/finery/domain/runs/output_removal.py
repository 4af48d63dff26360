"""Removes a finished run's model and checkpoints: first from the database, then the files, then the note of them."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from finery.contracts.events import NoticeData
from finery.contracts.layout import HomeDirectory
from finery.contracts.permissions import Principal
from finery.contracts.status import RunStatus
from finery.db import make_room
from finery.domain.ownership import SHOWN_ID
from finery.domain.path_access import run_of_output
from finery.domain.runs.errors import ModelInUse, RunIsLive
from finery.domain.runs.model_users import users_of
from finery.domain.runs.queries import lock_row
from finery.domain.runs.transitions import append_event
from finery.kit.clock import utc_now
from finery.models import ArtifactRow, DeploymentRow, RunRow

SHOWN = 20


@dataclass(frozen=True)
class ForgottenOutput:
    run_id: str
    folder: Path
    checkpoints: Path

    @property
    def folders(self) -> tuple[Path, Path]:
        return self.folder, self.checkpoints

    @property
    def aside(self) -> Path:
        """The folder's name while it is removed: what a killed server leaves there may be deleted."""
        return self.folder.with_name(f".{self.run_id}.gone")


def forget_output(session: Session, run_id: str, actor: Principal, home: HomeDirectory) -> ForgottenOutput | None:
    """Keep the run without its model; the caller calls `remove_files` and `finish_removal` after the commit.

    Returns None when there is no model of the run to remove: it never had one, has none any more, or another run has
    put its own there. Engines that were started on demand end. Raises RunNotFound, NotYours, RunIsLive, and ModelInUse
    while an unfinished run reads the model or a checkpoint, an adapter was trained on it, a user has deployed it, or an
    output of another run lies in it.
    """
    row = lock_row(session, run_id, actor)
    if not RunStatus(row.status).is_finished:
        raise RunIsLive(run_id, "cancel it first")
    folder = row.spec.output_dir
    if folder is None:
        return None
    make_room(session)
    is_its_own = run_of_output(folder) == row.id
    forgotten = ForgottenOutput(row.id, folder, home.run(row.id).checkpoints)
    if is_its_own:
        if users := users_of(session, forgotten.folders, actor):
            raise ModelInUse(users)
        below = RunRow.output_dir.startswith(f"{row.output_dir}/", autoescape=True)
        others = session.scalars(select(SHOWN_ID).where(below, RunRow.output_hash.is_not(None)).limit(SHOWN)).all()
        if others:
            raise ModelInUse(others)
        for removed in forgotten.folders:
            _end_engines(session, str(removed))
    for artifact in session.scalars(select(ArtifactRow).where(ArtifactRow.run_number == row.number)):
        if Path(artifact.path).is_relative_to(folder):
            session.delete(artifact)
    row.output_dir, row.updated_at = None, utc_now()
    # Until the folder is removed, `output_hash` says whose it is.
    row.spec = row.spec.model_copy(update={"output_dir": None, "forgotten_output": folder if is_its_own else None})
    if not is_its_own:
        row.output_hash = None
    session.flush()
    return forgotten if is_its_own else None


def tell_replaced(session: Session, row: RunRow) -> None:
    """Have the run whose finished model another's has just replaced say so.

    `row`: the locked run that has succeeded. Nothing happens where its place was free.
    """
    earlier = (
        select(RunRow)
        .where(RunRow.output_hash == row.output_hash, RunRow.number != row.number, RunRow.status == RunStatus.SUCCEEDED)
        .order_by(RunRow.finished_at.desc(), RunRow.number.desc())
        .limit(1)
        .with_for_update()
    )
    replaced = session.scalars(earlier).first() if row.output_hash is not None else None
    if replaced is None or replaced.spec.output_dir is None or run_of_output(replaced.spec.output_dir) != row.id:
        return
    message = f"its model is gone: run {row.id!r} has put its own in the same place, {replaced.output_dir}"
    append_event(session, replaced, NoticeData(level="warning", code="model_replaced", message=message))


def remove_files(forgotten: ForgottenOutput) -> None:
    """Remove the folders, unless another run has put its model there since."""
    if run_of_output(forgotten.folder) == forgotten.run_id:
        forgotten.folder.rename(forgotten.aside)
    shutil.rmtree(forgotten.aside, ignore_errors=True)
    shutil.rmtree(forgotten.checkpoints, ignore_errors=True)


def finish_removal(session: Session, forgotten: ForgottenOutput) -> None:
    """Record that the files are removed: what is put in their place from now on does not belong to the run."""
    query = select(RunRow).where(RunRow.id == forgotten.run_id).with_for_update()
    row = session.scalars(query).one_or_none()
    if row is not None:
        row.spec = row.spec.model_copy(update={"forgotten_output": None})
        row.output_hash = None


def remove_forgotten(session: Session, home: HomeDirectory) -> None:
    """Remove, at a start, the files that a killed server did not remove."""
    query = select(RunRow.id, RunRow.spec).where(RunRow.output_dir.is_(None), RunRow.output_hash.is_not(None))
    for run_id, spec in session.execute(query).all():
        if spec.forgotten_output is not None:
            forgotten = ForgottenOutput(run_id, spec.forgotten_output, home.run(run_id).checkpoints)
            remove_files(forgotten)
            finish_removal(session, forgotten)


def _end_engines(session: Session, folder: str) -> None:
    is_in = or_(DeploymentRow.model == folder, DeploymentRow.model.startswith(f"{folder}/", autoescape=True))
    query = select(DeploymentRow).where(DeploymentRow.finished_at.is_(None), is_in)
    rows = session.scalars(query.with_for_update()).all()
    by_hand = [row.id for row in rows if row.demand_key is None and not row.stop_requested]
    if by_hand:
        raise ModelInUse(by_hand)
    for row in rows:
        row.stop_requested, row.demand_key, row.updated_at = True, None, utc_now()
