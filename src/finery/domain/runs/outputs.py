"""A finished run's model, given up: first in the database, then its files, then the note that they are to go."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.permissions import Principal
from finery.contracts.status import FINISHED, RunStatus
from finery.domain.runs.errors import ModelInUse, RunIsLive
from finery.domain.runs.rows import lock_row
from finery.domain.runs.validation import OUTPUT_MARKER
from finery.kit.clock import utc_now
from finery.kit.files import read_json
from finery.models import DeploymentRow, RunRow

NOTE = "forgotten_output"
"""In a run's spec, the folder that is to go. Until it has gone, `output_hash` says whose it is."""


@dataclass(frozen=True)
class ForgottenOutput:
    run_id: str
    folder: Path


def forget_output(session: Session, run_id: str, who: Principal) -> ForgottenOutput | None:
    """The run stays, without its model; after the commit follow `remove_files` and `settle`. None: it was given up
    before, or another run has put its own model there.

    Engines that were started on demand end. Raises RunNotFound, NotYours, RunIsLive, ModelInUse while an unfinished
    run begins from it or somebody has deployed it.
    """
    row = lock_row(session, run_id, who)
    if not RunStatus(row.status).is_finished:
        raise RunIsLive(run_id, "cancel it first")
    folder = row.spec.get("output_dir")
    if folder is None:
        return None
    is_its_own = _made_by(Path(folder)) in (None, run_id)
    if is_its_own:
        _refuse_needed(session, folder)
        _end_engines(session, folder)
    row.output_dir, row.updated_at = None, utc_now()
    if is_its_own:
        row.spec = {**row.spec, "output_dir": None, NOTE: folder}
    else:
        row.spec, row.output_hash = {**row.spec, "output_dir": None}, None
    session.flush()
    return ForgottenOutput(run_id, Path(folder)) if is_its_own else None


def remove_files(forgotten: ForgottenOutput) -> None:
    """What another run has put there since stays."""
    if _made_by(forgotten.folder) in (None, forgotten.run_id):
        shutil.rmtree(forgotten.folder, ignore_errors=True)


def settle(session: Session, forgotten: ForgottenOutput) -> None:
    """Its files have gone; what is put in their place from now on is no more of the run."""
    query = select(RunRow).where(RunRow.id == forgotten.run_id).with_for_update()
    row = session.scalars(query).one_or_none()
    if row is not None:
        row.spec = {key: value for key, value in row.spec.items() if key != NOTE}
        row.output_hash = None


def remove_forgotten(session: Session) -> None:
    """At a start: the files that an earlier server did not come to remove."""
    query = select(RunRow.id, RunRow.spec).where(RunRow.output_dir.is_(None), RunRow.output_hash.is_not(None))
    for run_id, spec in session.execute(query).all():
        if NOTE in spec:
            forgotten = ForgottenOutput(run_id, Path(spec[NOTE]))
            remove_files(forgotten)
            settle(session, forgotten)


def _made_by(folder: Path) -> str | None:
    """The run that the folder's own marker names."""
    marker = read_json(folder / OUTPUT_MARKER) if folder.is_dir() else None
    return marker.get("run_id") if isinstance(marker, dict) else None


def _refuse_needed(session: Session, folder: str) -> None:
    query = select(RunRow.id, RunRow.spec).where(RunRow.status.not_in(FINISHED))
    needing = [run_id for run_id, spec in session.execute(query) if spec.get("model") == folder]
    if needing:
        raise ModelInUse(needing)


def _end_engines(session: Session, folder: str) -> None:
    query = select(DeploymentRow).where(DeploymentRow.finished_at.is_(None), DeploymentRow.model == folder)
    rows = session.scalars(query.with_for_update()).all()
    by_hand = [row.id for row in rows if row.demand_key is None and not row.stop_requested]
    if by_hand:
        raise ModelInUse(by_hand)
    for row in rows:
        row.stop_requested, row.demand_key, row.updated_at = True, None, utc_now()
