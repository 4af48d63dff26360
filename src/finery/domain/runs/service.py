"""Accepts, lists, changes and deletes runs, and takes reports on external ones."""

from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from finery.contracts.permissions import Principal
from finery.contracts.run import NewRun, Run, RunChanges
from finery.contracts.status import RunStatus
from finery.db import make_room
from finery.db.topics import announce, run_topic
from finery.domain import audit
from finery.domain.context import DomainContext
from finery.domain.datasets.errors import DatasetRefused
from finery.domain.errors import DomainError
from finery.domain.runs.errors import ModelInUse, NotReportable, RunExists, RunIsLive
from finery.domain.runs.file_removal import remove_after_commit
from finery.domain.runs.idempotency import (
    IdCollided,
    earlier_answer,
    refuse_taken_id,
    request_key,
    resolve_conflict,
    wait_for_first,
)
from finery.domain.runs.insertion import insert_run
from finery.domain.runs.mapping import run_of, shown_id
from finery.domain.runs.model_users import users_of
from finery.domain.runs.notices import announce_removal
from finery.domain.runs.queries import find_row, lock_row
from finery.domain.runs.transitions import EXTERNAL, change_status
from finery.domain.runs.validation import Plan, plan_refused, plan_run
from finery.kit.clock import utc_now
from finery.kit.translatable import Translatable
from finery.models import RunRow


def create(
    session: Session, new: NewRun, context: DomainContext, actor: Principal, *, check: Callable[[], None] | None = None
) -> Run:
    """Check a request against its data and the machine, and queue it; it is durable once the transaction commits.

    A repeated idempotency key is answered with the run of the first time. `check` is a further check of a dialect,
    which raises a DomainError; it counts only for a request that was not answered before. Raises InvalidRun,
    DatasetRefused, RunExists, OutputTaken, IdempotencyMismatch, StillWorkedOn.
    """
    if new.idempotency_key is None:
        wait_for_first(session, request_key(new, actor), is_retry=new.is_retry)
    try:
        if check is not None:
            check()
        # This reads the data: it comes before the transaction's first statement, which takes SQLite's write lock.
        plan = plan_run(session, new, context, actor)
    except DomainError as error:
        if (before := earlier_answer(session, new, actor)) is not None:
            return before
        if not (new.keep_refused and isinstance(error, DatasetRefused)):
            raise
        plan = plan_refused(session, new, error, context, actor)
    if (before := earlier_answer(session, new, actor)) is not None:
        return before
    try:
        return accept(session, new, plan, context, actor)
    except RunExists:
        # The id may belong to the first sending of this request, which was committed since the query above.
        if (before := earlier_answer(session, new, actor)) is not None:
            return before
        raise


def get(session: Session, run_id: str, actor: Principal) -> Run:
    """Return a run. Raises RunNotFound, here and below also for a run that `actor` may not see."""
    return run_of(find_row(session, run_id, actor))


def accept(session: Session, new: NewRun, plan: Plan, context: DomainContext, actor: Principal) -> Run:
    """Queue a run that was planned. Raises RunExists, OutputTaken, IdempotencyMismatch."""
    refuse_taken_id(session, new, actor)
    try:
        with session.begin_nested():
            row = insert_run(session, new, plan, context, actor)
        audit.name_target(session, shown_id(row))
        return run_of(row)
    except IntegrityError as error:
        try:
            return resolve_conflict(session, new, plan, error, actor)
        except IdCollided:
            return accept(session, new, plan_run(session, new, context, actor), context, actor)


def change(session: Session, run_id: str, changes: RunChanges, actor: Principal) -> Run:
    """Change the name, the labels, and whether the run is shared. Raises RunNotFound, NotYours."""
    row = lock_row(session, run_id, actor)
    before = run_of(row)
    announce(session, run_topic(row.number))
    if changes.shared is not None:
        share(session, row, changes.shared)
    if "name" in changes.model_fields_set:
        row.name = changes.name
    if changes.labels is not None:
        row.labels = dict(changes.labels)
    row.updated_at = utc_now()
    audit.name_changes(session, before, after := run_of(row))
    return after


def share(session: Session, row: RunRow, shared: bool) -> None:
    """Share a locked run with all, or no longer, and tell streams."""
    announce(session, run_topic(row.number))
    if row.shared and not shared:
        announce_removal(session, row, is_deleted=False)
    row.shared = shared
    row.updated_at = utc_now()


def report(session: Session, run_id: str, status: RunStatus, error: str | None, actor: Principal) -> Run:
    """Store the status that the client of an external run reports.

    Raises NotYours, NotReportable, TransitionRefused.
    """
    row = lock_row(session, run_id, actor)
    if row.recipe != EXTERNAL:
        raise NotReportable(run_id)
    before = run_of(row)
    if row.status != status:
        change_status(session, row, status, message=error)
    elif error is not None and not status.is_finished:
        row.error = error
    audit.name_changes(session, before, after := run_of(row))
    return after


def delete(session: Session, run_id: str, context: DomainContext, actor: Principal) -> None:
    """Delete a finished run, its run directory and its log; its output stays.

    Raises NotYours, RunIsLive, and ModelInUse while another run or an adapter begins from one of its checkpoints.
    """
    delete_locked(session, [lock_row(session, run_id, actor)], context, actor)


def delete_locked(session: Session, rows: Sequence[RunRow], context: DomainContext, actor: Principal) -> None:
    """Do the same with runs that are locked and `actor`'s to change: all of them, or none.

    Raises RunIsLive, ModelInUse.
    """
    for row in rows:
        if row.recipe != EXTERNAL and not RunStatus(row.status).is_finished:
            raise RunIsLive(shown_id(row), Translatable("cancel it first"))
    folders = [context.home.run(row.id).path for row in rows]
    if users := users_of(session, folders, actor, within=folders[0].parent if len(folders) > 1 else None):
        raise ModelInUse(users)
    make_room(session)
    for row in rows:
        announce_removal(session, row, is_deleted=True)
        announce(session, run_topic(row.number))
        session.delete(row)
        if row.recipe != EXTERNAL:
            remove_after_commit(session, row.id, context.home)
    session.flush()


def count_by_status(session: Session) -> dict[RunStatus, int]:
    """Count the runs of all users."""
    counted = session.execute(select(RunRow.status, func.count()).group_by(RunRow.status))
    return {RunStatus(status): count for status, count in counted}


def log_path(session: Session, run_id: str, context: DomainContext, actor: Principal) -> Path:
    """Return where the run's log is or will be. An external run has none until its client writes one."""
    return context.home.run_log(find_row(session, run_id, actor).id)
