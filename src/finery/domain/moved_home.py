"""A database that another home served before: its runs are held and its deployments end, by `settle_home`.

That home may be a copied, restored or replaced one, or another server's. Nobody here can tell whether its runs are
carried out there still, nor its engines from strangers' processes. So no process there is touched: runs are paused with
the reason `lost` until somebody says what shall become of them. `resume` starts them here, `cancel` ends them here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from finery.contracts.status import Intent, Reason, RunStatus
from finery.domain.deployments import finish
from finery.domain.runs.transitions import EXTERNAL, change_status
from finery.domain.server_lease import lock_lease_row
from finery.models import AttemptRow, DeploymentRow, RunRow

UNDER_WAY = "it was carried out by another home, where it may still run; resume it to carry it out here, or cancel it"
WAITING = "it was queued by another home, which may carry it out; resume it to carry it out here, or cancel it"
ENGINE_ELSEWHERE = (
    "its engine was started by another home, where it may still run; deploy the model anew to serve it here"
)


@dataclass(frozen=True)
class HomeChange:
    """What `settle_home` has done."""

    is_change: bool = False
    """Whether another home had the database, so that processes of this home may belong to no live run any more."""
    runs_held: int = 0
    deployments_ended: int = 0
    runs_resumed: int = 0


def settle_home(session: Session, home_id: str, *, take_over: bool) -> HomeChange:
    """Hold the runs and end the deployments of the home that served the database before, if that was another.

    `take_over` says that nothing of that home runs any more: what is held, now or since an earlier start, is queued
    again. All of this happens in the transaction that notes the new home, so that it happens once.
    """
    row = lock_lease_row(session)
    before, row.settled_home_id = row.settled_home_id, home_id
    is_change = before is not None and before != home_id
    return HomeChange(
        is_change=is_change,
        runs_held=_hold_runs(session) if is_change else 0,
        deployments_ended=_end_deployments(session) if is_change else 0,
        runs_resumed=_resume_runs(session) if take_over else 0,
    )


def _hold_runs(session: Session) -> int:
    """Pause every run that is queued or live, and return how many there were. What was to be cancelled is cancelled."""
    rows = _lock_runs(session, RunRow.status.in_((RunStatus.QUEUED, RunStatus.STARTING, RunStatus.RUNNING)))
    for row in rows:
        if row.intent == Intent.CANCEL:
            change_status(session, row, RunStatus.CANCELLED, reason=Reason.CANCELLED)
            continue
        message = UNDER_WAY if RunStatus(row.status).is_live else WAITING
        session.execute(update(AttemptRow).where(AttemptRow.live_run == row.number).values(reason=Reason.LOST))
        change_status(session, row, RunStatus.PAUSED, reason=Reason.LOST, message=message)
        row.reason, row.error = Reason.LOST, message
    return len(rows)


def _end_deployments(session: Session) -> int:
    """Record every deployment that has not ended as ended, and return how many there were."""
    query = select(DeploymentRow.id, DeploymentRow.token).where(DeploymentRow.finished_at.is_(None))
    live = session.execute(query).all()
    for deployment_id, token in live:
        finish(session, deployment_id, token, ENGINE_ELSEWHERE)
    return len(live)


def _resume_runs(session: Session) -> int:
    """Queue again what `_hold_runs` has paused, and return how many runs there were."""
    rows = _lock_runs(session, RunRow.status == RunStatus.PAUSED, RunRow.reason == Reason.LOST)
    for row in rows:
        change_status(session, row, RunStatus.QUEUED)
        row.reason = row.error = None
    return len(rows)


def _lock_runs(session: Session, *conditions: ColumnElement[bool]) -> Sequence[RunRow]:
    query = select(RunRow).where(RunRow.recipe != EXTERNAL, *conditions).order_by(RunRow.number)
    return session.scalars(query.with_for_update().execution_options(populate_existing=True)).all()
