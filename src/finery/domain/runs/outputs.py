"""A finished run's model, given up."""

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


def forget_output(session: Session, run_id: str, who: Principal) -> Path | None:
    """The run stays, without its model; the folder is to be removed after the commit. None: it was given up before, or
    another run has put its own model there.

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
    row.spec = {**row.spec, "output_dir": None}
    row.output_dir, row.output_hash, row.updated_at = None, None, utc_now()
    session.flush()
    return Path(folder) if is_its_own else None


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
