"""Runs: accepted, found, listed, reported on, deleted."""

import shutil
from pathlib import Path

from sqlalchemy import Select, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from finery.contracts.run import NewRun, Run, RunFilter, RunPage
from finery.contracts.status import RunStatus
from finery.domain.errors import DomainError
from finery.domain.ground import Ground
from finery.domain.runs.acceptance import insert_run
from finery.domain.runs.errors import BadCursor, NotReportable, RunIsLive
from finery.domain.runs.mapping import run_of
from finery.domain.runs.replays import IdCollided, earlier_answer, resolve_conflict
from finery.domain.runs.rows import find_row, lock_row
from finery.domain.runs.transitions import EXTERNAL, change_status
from finery.domain.runs.validation import Plan, plan_run
from finery.models import RunRow


def create(session: Session, new: NewRun, ground: Ground) -> Run:
    """Check a request against its data and the machine, and accept it: durable once the transaction commits.

    Asked again with the same idempotency key, it answers with the run of the first time. Raises InvalidRun,
    DatasetRefused, RunExists, OutputTaken, IdempotencyMismatch.
    """
    try:
        # First, since it reads the data: the transaction, and with it SQLite's only write lock, begins after that.
        plan = plan_run(session, new, ground)
    except DomainError:
        if (before := earlier_answer(session, new)) is not None:
            return before
        raise
    return earlier_answer(session, new) or _accept(session, new, plan, ground)


def get(session: Session, run_id: str) -> Run:
    return run_of(find_row(session, run_id))


def _accept(session: Session, new: NewRun, plan: Plan, ground: Ground) -> Run:
    try:
        with session.begin_nested():
            return run_of(insert_run(session, new, plan, ground))
    except IntegrityError as error:
        try:
            return resolve_conflict(session, new, plan, error)
        except IdCollided:
            return _accept(session, new, plan_run(session, new, ground), ground)


def list_page(
    session: Session, run_filter: RunFilter, *, limit: int, cursor: str | None = None, offset: int = 0
) -> RunPage:
    """Newest first. `cursor` is the `next_cursor` of the page before; raises BadCursor for anything else."""
    query = _filtered(run_filter).order_by(RunRow.number.desc())
    if cursor is not None:
        query = query.where(RunRow.number < _parse_cursor(cursor))
    rows = session.scalars(query.offset(offset).limit(limit + 1)).all()
    more = len(rows) > limit
    return RunPage(
        runs=[run_of(row) for row in rows[:limit]], next_cursor=str(rows[limit - 1].number) if more and limit else None
    )


def report(session: Session, run_id: str, status: RunStatus, error: str | None) -> Run:
    """Take what an external run's client says of it. Raises NotReportable, TransitionRefused."""
    row = lock_row(session, run_id)
    if row.recipe != EXTERNAL:
        raise NotReportable(run_id)
    if row.status != status:
        change_status(session, row, status, message=error)
    elif error is not None and not status.is_finished:
        row.error = error
    return run_of(row)


def delete(session: Session, run_id: str, ground: Ground) -> None:
    """Forget a finished run, its run directory and its log; its output stays. Raises RunIsLive."""
    row = lock_row(session, run_id)
    if row.recipe != EXTERNAL and not RunStatus(row.status).is_finished:
        raise RunIsLive(run_id, "cancel it first")
    session.delete(row)
    session.flush()
    if row.recipe != EXTERNAL:
        shutil.rmtree(ground.home.run(row.id).path, ignore_errors=True)
        ground.home.run_log(row.id).unlink(missing_ok=True)


def count_by_status(session: Session) -> dict[RunStatus, int]:
    counted = session.execute(select(RunRow.status, func.count()).group_by(RunRow.status))
    return {RunStatus(status): count for status, count in counted}


def log_path(session: Session, run_id: str, ground: Ground) -> Path:
    """Where the run's log is or will be; an external run has none until somebody writes there."""
    find_row(session, run_id)
    return ground.home.run_log(run_id)


def _filtered(run_filter: RunFilter) -> Select[RunRow]:
    query = select(RunRow)
    if run_filter.statuses:
        query = query.where(RunRow.status.in_(run_filter.statuses))
    if run_filter.recipe is not None:
        query = query.where(RunRow.recipe == run_filter.recipe)
    if run_filter.label is not None:
        name, value = run_filter.label
        query = query.where(RunRow.labels[name].as_string() == value)
    return query


def _parse_cursor(cursor: str) -> int:
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise BadCursor()
    return int(cursor)
