"""The figures of runs that have succeeded, where a dialect tells of them as files: all but the figures themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from finery.contracts.permissions import Principal
from finery.contracts.status import RunStatus
from finery.domain.ownership import runs_visible_to
from finery.models import RunRow


@dataclass(frozen=True)
class Result:
    run_id: str
    number: int
    """The run's."""
    created_at: datetime
    last_sequence: int
    """Of the run's events: while it is the same, so are the figures."""


def find_result(session: Session, run_id: str, actor: Principal, *, source: str) -> Result | None:
    """None also for what they may not see."""
    row = session.execute(_results(actor, source).where(RunRow.id == run_id)).one_or_none()
    return None if row is None else Result(*row)


def list_results(
    session: Session, actor: Principal, *, source: str, after: int | None, limit: int, newest_first: bool
) -> Sequence[Result]:
    """At most `limit`, those that come after the run with the number `after`."""
    query = _results(actor, source).order_by(RunRow.number.desc() if newest_first else RunRow.number).limit(limit)
    if after is not None:
        query = query.where(RunRow.number < after if newest_first else RunRow.number > after)
    return [Result(*row) for row in session.execute(query)]


def _results(actor: Principal, source: str) -> Select[str, int, datetime, int]:
    ended = func.coalesce(RunRow.finished_at, RunRow.created_at)
    query = select(RunRow.id, RunRow.number, ended, RunRow.last_sequence)
    return query.where(runs_visible_to(actor), RunRow.source == source, RunRow.status == RunStatus.SUCCEEDED)
