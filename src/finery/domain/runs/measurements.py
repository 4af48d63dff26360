"""What a run's data are to its model, where that is told after it was accepted."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.datasets.measurement import Found, MeasurementRequest
from finery.contracts.events import EventType
from finery.contracts.status import Reason, RunStatus
from finery.domain.datasets.errors import DatasetRefused
from finery.domain.runs.data import TRAINING, Notice, measured_notices
from finery.domain.runs.transitions import append_event, change_status
from finery.models import MeasurementDueRow, RunRow


@dataclass(frozen=True)
class MeasurementDue:
    run_number: int
    run_id: str
    request: MeasurementRequest | None
    """None: an earlier version asked for what this one does not know."""


def next_due(session: Session) -> MeasurementDue | None:
    """Of the run that was accepted first."""
    query = select(MeasurementDueRow, RunRow.id).join(RunRow, RunRow.number == MeasurementDueRow.run_number)
    found = session.execute(query.order_by(MeasurementDueRow.run_number).limit(1)).first()
    if found is None:
        return None
    due, run_id = found
    try:
        return MeasurementDue(due.run_number, run_id, MeasurementRequest.model_validate(due.request))
    except ValidationError:
        return MeasurementDue(due.run_number, run_id, None)


def record(session: Session, due: MeasurementDue, found: Found | DatasetRefused) -> None:
    """Tell it as events of the run, and fail one that could learn nothing and was not begun. Once only: who comes
    second, or finds the run gone or finished, changes nothing.
    """
    row = session.get(RunRow, due.run_number, with_for_update=True, populate_existing=True)
    left = session.get(MeasurementDueRow, due.run_number)
    if row is None or left is None:
        return
    session.delete(left)
    if RunStatus(row.status).is_finished:
        return
    try:
        notices = _notices(row, found)
    except DatasetRefused as error:
        _refuse(session, row, error)
        return
    for notice in notices:
        append_event(session, row, EventType.NOTICE, notice)


def _notices(row: RunRow, found: Found | DatasetRefused) -> tuple[Notice, ...]:
    """Raises DatasetRefused."""
    if isinstance(found, DatasetRefused):
        raise found
    return measured_notices(found, name=row.config[TRAINING], path=Path(row.spec["dataset"]))


def _refuse(session: Session, row: RunRow, error: DatasetRefused) -> None:
    """A run that was begun ends by itself: its trainer finds the same."""
    notice = {"level": "error", "code": error.code, "message": str(error), "setting": TRAINING}
    append_event(session, row, EventType.NOTICE, notice)
    if row.status == RunStatus.QUEUED and row.attempt == 0:
        change_status(session, row, RunStatus.FAILED, reason=Reason.INVALID_DATA, message=str(error))
