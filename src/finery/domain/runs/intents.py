"""Stores requests to cancel, pause, stop or checkpoint a run, which the scheduler carries out.

Each `request_` function raises RunNotFound, NotYours and RunFinished; all but `request_cancel` raise NotControllable.
"""

from sqlalchemy.orm import Session

from finery.contracts.permissions import Principal
from finery.contracts.recipes import recipe_of_run
from finery.contracts.run import Run
from finery.contracts.status import Intent, Reason, RunStatus
from finery.db import make_room
from finery.db.topics import Topic, announce
from finery.domain import audit
from finery.domain.runs.errors import IntentRefused, NotControllable, RunFinished
from finery.domain.runs.mapping import run_of
from finery.domain.runs.queries import lock_row
from finery.domain.runs.transitions import EXTERNAL, change_status, set_intent
from finery.kit.clock import utc_now
from finery.kit.translatable import Translatable
from finery.models import RunRow


def request_cancel(session: Session, run_id: str, actor: Principal) -> Run:
    """Cancel a run: at once when it has no process, else as soon as that has ended."""
    row = _unfinished(session, run_id, actor)
    before = run_of(row)
    cancel_locked(session, row)
    return _changed(session, before, row)


def cancel_locked(session: Session, row: RunRow) -> None:
    """Cancel an unfinished run that is locked, and that the actor may change."""
    make_room(session)
    if RunStatus(row.status).is_live and row.recipe != EXTERNAL:
        set_intent(session, row, Intent.CANCEL)
    else:
        change_status(session, row, RunStatus.CANCELLED, reason=Reason.CANCELLED)


def request_pause(session: Session, run_id: str, actor: Principal) -> Run:
    """Pause a run: at once when it is queued, else with a checkpoint at its next step. Raises IntentRefused."""
    row = _controllable(session, run_id, actor)
    before = run_of(row)
    if not recipe_of_run(row.recipe).resumable:
        raise IntentRefused(
            run_id, Translatable("is a {recipe}, which would begin anew; cancel or stop it instead", recipe=row.recipe)
        )
    if row.status == RunStatus.QUEUED:
        change_status(session, row, RunStatus.PAUSED, reason=Reason.PAUSED)
    elif row.status != RunStatus.PAUSED:
        _refuse_if_cancelling(row)
        set_intent(session, row, Intent.PAUSE)
    return _changed(session, before, row)


def request_stop(session: Session, run_id: str, actor: Principal) -> Run:
    """End a run early and keep its model as it is then; one that never began is cancelled. Raises IntentRefused."""
    row = _controllable(session, run_id, actor)
    before = run_of(row)
    if not RunStatus(row.status).is_live:
        change_status(session, row, RunStatus.CANCELLED, reason=Reason.CANCELLED)
    else:
        _refuse_if_cancelling(row)
        set_intent(session, row, Intent.STOP)
    return _changed(session, before, row)


def request_checkpoint(session: Session, run_id: str, actor: Principal) -> Run:
    """Make a running run save a checkpoint at its next step. Raises IntentRefused when it is not running."""
    row = _controllable(session, run_id, actor)
    if not RunStatus(row.status).is_live:
        raise IntentRefused(
            run_id, Translatable("is {status}; only a running run can save a checkpoint", status=row.status)
        )
    if "checkpoint" not in row.controls:
        row.controls, row.updated_at = [*row.controls, "checkpoint"], utc_now()
        announce(session, Topic.INTENTS)
    return run_of(row)


def _changed(session: Session, before: Run, row: RunRow) -> Run:
    after = run_of(row)
    audit.name_changes(session, before, after)
    return after


def _unfinished(session: Session, run_id: str, actor: Principal) -> RunRow:
    row = lock_row(session, run_id, actor)
    if RunStatus(row.status).is_finished:
        raise RunFinished(run_id, RunStatus(row.status))
    return row


def _controllable(session: Session, run_id: str, actor: Principal) -> RunRow:
    row = _unfinished(session, run_id, actor)
    if row.recipe == EXTERNAL:
        raise NotControllable(run_id)
    return row


def _refuse_if_cancelling(row: RunRow) -> None:
    if row.intent == Intent.CANCEL:
        raise IntentRefused(row.id, Translatable("is being cancelled"))
