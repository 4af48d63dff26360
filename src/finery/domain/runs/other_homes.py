"""Runs of a home that is not this one: a copied, restored or replaced home, or another server's on the same database.

Nobody here can tell whether they are carried out there still. So they are paused with the reason `lost` until somebody
says what shall become of them: `resume` starts them here, `cancel` ends them here; neither touches a process there.
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from finery.contracts.status import Intent, Reason, RunStatus
from finery.domain.runs.transitions import EXTERNAL, change_status
from finery.models import AttemptRow, RunRow

UNDER_WAY = "it was carried out by another home, where it may still run; resume it to carry it out here, or cancel it"
WAITING = "it was queued by another home, which may carry it out; resume it to carry it out here, or cancel it"


def hold_all(session: Session) -> int:
    """Pause every run that is queued or live; how many there were. One that was asked to be cancelled is cancelled."""
    count = 0
    for row in _locked(session, RunRow.status.in_((RunStatus.QUEUED, RunStatus.STARTING, RunStatus.RUNNING))):
        count += 1
        if row.intent == Intent.CANCEL:
            change_status(session, row, RunStatus.CANCELLED, reason=Reason.CANCELLED)
            continue
        message = UNDER_WAY if RunStatus(row.status).is_live else WAITING
        ended = update(AttemptRow).where(AttemptRow.live_run == row.number)
        session.execute(ended.values(reason=Reason.LOST))
        change_status(session, row, RunStatus.PAUSED, reason=Reason.LOST, message=message)
        row.reason, row.error = Reason.LOST, message
    return count


def resume_all(session: Session) -> int:
    """Queue again what `hold_all` has paused; how many there were."""
    held = list(_locked(session, RunRow.status == RunStatus.PAUSED, RunRow.reason == Reason.LOST))
    for row in held:
        change_status(session, row, RunStatus.QUEUED)
        row.reason = row.error = None
    return len(held)


def _locked(session: Session, *conditions: ColumnElement[bool]) -> Iterable[RunRow]:
    query = select(RunRow).where(RunRow.recipe != EXTERNAL, *conditions).order_by(RunRow.number)
    return session.scalars(query.with_for_update().execution_options(populate_existing=True)).all()
