"""Accepts, lists, changes, cancels and deletes sweeps."""

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from finery.contracts.permissions import Principal
from finery.contracts.run import NewRun
from finery.contracts.status import RunStatus
from finery.contracts.sweeps import Goal, NewSweep, SweepChanges, SweepDetails, SweepPage
from finery.db import keep_room, make_room
from finery.domain import audit
from finery.domain.context import DomainContext
from finery.domain.cursors import cut_page, parse_cursor
from finery.domain.errors import DomainError
from finery.domain.ownership import owner_scoped_key
from finery.domain.runs.errors import IdempotencyMismatch
from finery.domain.runs.idempotency import hash_of
from finery.domain.runs.intents import cancel_locked
from finery.domain.runs.service import accept, delete_locked, share
from finery.domain.runs.validation import recipe_named
from finery.domain.sweeps.errors import SweepFinished
from finery.domain.sweeps.expansion import Member, grid_of, members_of, name_of
from finery.domain.sweeps.planning import Planned, plan_runs
from finery.domain.sweeps.queries import (
    counts_of,
    details_of,
    find_row,
    lock_row,
    lock_runs,
    runs_of,
    sweep_of,
    visible_to,
)
from finery.kit.clock import utc_now
from finery.kit.ids import prefixed_id
from finery.models import RunRow, SweepRow

ID_PREFIX = "sweep"


def create(session: Session, new: NewSweep, context: DomainContext, actor: Principal) -> SweepDetails:
    """Queue all runs of a sweep, or none; they are durable once the transaction commits.

    A repeated idempotency key is answered with the sweep of the first time. Raises InvalidSweep, IdempotencyMismatch,
    and of the runs what `runs.create` raises.
    """
    sweep_id = prefixed_id(ID_PREFIX)
    try:
        grid = grid_of(recipe_named(new.run.recipe), new.run.config)
        members = [(member, _run_of(new, member, grid, sweep_id)) for member in members_of(new.run.config, grid)]
        # This reads the data: it comes before the transaction's first statement, which takes SQLite's write lock.
        planned = plan_runs(session, members, context, actor)
    except DomainError:
        if (before := _earlier_answer(session, new, actor)) is not None:
            return before
        raise
    if (before := _earlier_answer(session, new, actor)) is not None:
        return before
    row = _row_of(new, grid, sweep_id, actor)
    try:
        with session.begin_nested():
            keep_room(session)
            session.add(row)
    except IntegrityError:
        # The first sending of this request was committed since the query above.
        if (before := _earlier_answer(session, new, actor)) is not None:
            return before
        raise
    return _accept(session, row, planned, context, actor)


def get(
    session: Session, sweep_id: str, actor: Principal, *, metric: str | None = None, goal: Goal | None = None
) -> SweepDetails:
    """Return a sweep with its runs, ranked by `metric` in place of its own. Raises SweepNotFound."""
    row = find_row(session, sweep_id, actor)
    return details_of(row, runs_of(session, row, actor), metric=metric, goal=goal)


def list_page(session: Session, actor: Principal, *, limit: int, cursor: str | None = None) -> SweepPage:
    """List sweeps, newest first. `cursor` is the `next_cursor` of the page before. Raises BadCursor."""
    query = select(SweepRow).where(visible_to(actor)).order_by(SweepRow.number.desc())
    if cursor is not None:
        query = query.where(SweepRow.number < parse_cursor(cursor))
    rows, next_cursor = cut_page(session.scalars(query.limit(limit + 1)).all(), limit, lambda row: row.number)
    counts = counts_of(session, [row.id for row in rows], actor)
    return SweepPage(sweeps=[sweep_of(row, counts.get(row.id, {})) for row in rows], next_cursor=next_cursor)


def change(session: Session, sweep_id: str, changes: SweepChanges, actor: Principal) -> SweepDetails:
    """Change the name, by what the best is found, and whether it is shared with its runs.

    Raises SweepNotFound, NotYours.
    """
    row = lock_row(session, sweep_id, actor)
    before = sweep_of(row, {})
    given = changes.model_fields_set
    row.name = changes.name if "name" in given else row.name
    row.metric = changes.metric if "metric" in given else row.metric
    row.goal = changes.goal if "goal" in given else row.goal
    if changes.shared is not None:
        row.shared = changes.shared
        for run in lock_runs(session, row, actor):
            share(session, run, changes.shared)
    row.updated_at = utc_now()
    audit.name_changes(session, before, sweep_of(row, {}))
    return details_of(row, runs_of(session, row, actor))


def cancel(session: Session, sweep_id: str, actor: Principal) -> SweepDetails:
    """Cancel all runs that have not ended. Raises SweepNotFound, NotYours, SweepFinished."""
    row = lock_row(session, sweep_id, actor)
    unfinished = [run for run in lock_runs(session, row, actor) if not RunStatus(run.status).is_finished]
    if not unfinished:
        raise SweepFinished(sweep_id)
    for run in unfinished:
        cancel_locked(session, run)
    session.flush()
    return details_of(row, runs_of(session, row, actor))


def delete(session: Session, sweep_id: str, context: DomainContext, actor: Principal, *, with_runs: bool) -> None:
    """Delete a sweep. Its runs stay, as runs of no sweep; with `with_runs` those that `actor` may change are deleted
    too, or nothing is.

    Raises SweepNotFound, NotYours, and of the runs what `runs.delete` raises.
    """
    row = lock_row(session, sweep_id, actor)
    make_room(session)
    if with_runs:
        delete_locked(session, lock_runs(session, row, actor), context, actor)
    session.execute(update(RunRow).where(RunRow.sweep_id == row.id).values(sweep_id=None))
    session.delete(row)


def _run_of(new: NewSweep, member: Member, grid: dict[str, list[object]], sweep_id: str) -> NewRun:
    return new.run.model_copy(
        update={
            "config": member.config,
            "name": name_of(member.values, grid, prefix=new.run.name) or None,
            "idempotency_key": None,
            "sweep_id": sweep_id,
        }
    )


def _row_of(new: NewSweep, grid: dict[str, list[object]], sweep_id: str, actor: Principal) -> SweepRow:
    now = utc_now()
    return SweepRow(
        id=sweep_id,
        owner_id=actor.user_id,
        shared=new.run.shared,
        name=new.run.name,
        recipe=new.run.recipe,
        grid=[[field, values] for field, values in grid.items()],
        metric=new.metric,
        goal=new.goal,
        idempotency_key=_stored_key(new, actor),
        request_hash=_hash_of(new),
        created_at=now,
        updated_at=now,
    )


def _accept(
    session: Session, row: SweepRow, planned: list[Planned], context: DomainContext, actor: Principal
) -> SweepDetails:
    accepted = [accept(session, new, plan, context, actor) for new, plan in planned]
    audit.name_target(session, row.id)
    return details_of(row, accepted)


def _earlier_answer(session: Session, new: NewSweep, actor: Principal) -> SweepDetails | None:
    """Return the sweep that answered the same key before. Raises IdempotencyMismatch when the body differs."""
    key = _stored_key(new, actor)
    if key is None:
        return None
    row = session.scalars(select(SweepRow).where(SweepRow.idempotency_key == key)).one_or_none()
    if row is None:
        return None
    if row.request_hash != _hash_of(new):
        raise IdempotencyMismatch()
    return details_of(row, runs_of(session, row, actor))


def _stored_key(new: NewSweep, actor: Principal) -> str | None:
    return None if new.run.idempotency_key is None else owner_scoped_key(actor, new.run.idempotency_key)


def _hash_of(new: NewSweep) -> str:
    return hash_of(new.model_dump(mode="json", exclude={"run": {"idempotency_key"}}))
