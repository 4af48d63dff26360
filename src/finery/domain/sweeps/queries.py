"""Finds and locks sweeps, counts their runs, and maps them to contracts."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import ColumnElement, and_, false, func, or_, select, true
from sqlalchemy.orm import Session

from finery.contracts.permissions import Principal
from finery.contracts.run import Run
from finery.contracts.status import RunStatus
from finery.contracts.sweeps import Goal, Sweep, SweepDetails, SweepRun
from finery.domain.ownership import NotYours, may_write_run, runs_visible_to, runs_writable_by
from finery.domain.runs.mapping import run_of
from finery.domain.sweeps.errors import SweepNotFound
from finery.domain.sweeps.scores import best_of, ranking_of, score_of
from finery.kit.translatable import Translatable
from finery.models import RunRow, SweepRow

Counts = Mapping[RunStatus, int]


def visible_to(actor: Principal) -> ColumnElement[bool]:
    """Tell the sweeps that `actor` may see, as with runs: their own, shared ones, and all to those who see all."""
    if actor.sees_all_runs:
        return true()
    owned = and_(SweepRow.owner_id.is_not(None), SweepRow.owner_id == actor.user_id) if actor.user_id else false()
    return or_(owned, SweepRow.shared)


def find_row(session: Session, sweep_id: str, actor: Principal) -> SweepRow:
    """Raises SweepNotFound, also for a hidden sweep."""
    query = select(SweepRow).where(SweepRow.id == sweep_id, visible_to(actor))
    row = session.scalars(query).one_or_none()
    if row is None:
        raise SweepNotFound(sweep_id)
    return row


def lock_row(session: Session, sweep_id: str, actor: Principal) -> SweepRow:
    """Return a sweep that `actor` may change, locked until the transaction ends. Raises SweepNotFound, NotYours."""
    number = find_row(session, sweep_id, actor).number
    row = session.get(SweepRow, number, with_for_update=True, populate_existing=True)
    if row is None:
        raise SweepNotFound(sweep_id)
    if not may_write_run(actor, row.owner_id):
        raise NotYours(Translatable("sweep"), sweep_id)
    return row


def lock_runs(session: Session, row: SweepRow, actor: Principal) -> Sequence[RunRow]:
    """Return those of the sweep's runs that `actor` may change, in the order of acceptance, locked.

    One that a lead resumed is the lead's own.
    """
    query = select(RunRow).where(RunRow.sweep_id == row.id, runs_writable_by(actor)).order_by(RunRow.number)
    return session.scalars(query.with_for_update().execution_options(populate_existing=True)).all()


def runs_of(session: Session, row: SweepRow, actor: Principal) -> list[Run]:
    """Return those of its runs that `actor` may see, in the order of acceptance."""
    query = select(RunRow).where(RunRow.sweep_id == row.id, runs_visible_to(actor)).order_by(RunRow.number)
    return [run_of(found) for found in session.scalars(query)]


def counts_of(session: Session, sweep_ids: Collection[str], actor: Principal) -> Mapping[str, Counts]:
    """Count the runs of each sweep by status."""
    query = select(RunRow.sweep_id, RunRow.status, func.count()).where(RunRow.sweep_id.in_(sweep_ids))
    counted = session.execute(query.where(runs_visible_to(actor)).group_by(RunRow.sweep_id, RunRow.status))
    counts: dict[str, dict[RunStatus, int]] = defaultdict(dict)
    for sweep_id, status, count in counted:
        counts[str(sweep_id)][RunStatus(status)] = count
    return counts


def sweep_of(row: SweepRow, counts: Counts) -> Sweep:
    return Sweep(
        id=row.id,
        owner_id=row.owner_id,
        shared=row.shared,
        name=row.name,
        recipe=row.recipe,
        grid=dict(row.grid),
        metric=row.metric,
        goal=Goal(row.goal) if row.goal else None,
        run_counts={status: counts[status] for status in RunStatus if counts.get(status)},
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def details_of(
    row: SweepRow, runs: Sequence[Run], *, metric: str | None = None, goal: Goal | None = None
) -> SweepDetails:
    """Return a sweep with its runs, ranked by another metric than its own where one is given."""
    own_goal = Goal(row.goal) if row.goal and metric in (None, row.metric) else None
    ranked_by, ranked_for = ranking_of(row.recipe, runs, metric or row.metric, goal or own_goal)
    best = best_of(runs, ranked_by, ranked_for)
    sweep = sweep_of(row, Counter(run.status for run in runs))
    fields = [field for field, _ in row.grid]
    return SweepDetails(
        **dict(sweep),
        ranked_by=ranked_by,
        ranked_for=ranked_for,
        runs=[
            SweepRun(
                run=run,
                values={field: run.requested.get(field) for field in fields},
                score=score_of(run, ranked_by),
                is_best=run is best,
            )
            for run in runs
        ],
    )
