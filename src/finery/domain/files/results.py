"""Lists succeeded runs as the result files of the OpenAI dialect, which holds the metrics of each."""

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
    """The run's number."""
    created_at: datetime
    last_sequence: int
    """The number of the run's last event: while it is the same, so are the metrics."""


def find_result(session: Session, run_id: str, actor: Principal, *, source: str) -> Result | None:
    """Return the result of a run, or None, also where `actor` may not see the run."""
    row = session.execute(_results(actor, source).where(RunRow.id == run_id)).one_or_none()
    return None if row is None else Result(*row)


def list_results(
    session: Session, actor: Principal, *, source: str, after: int | None, limit: int, newest_first: bool
) -> Sequence[Result]:
    """List at most `limit` results after that of the run with the number `after`."""
    query = _results(actor, source).order_by(RunRow.number.desc() if newest_first else RunRow.number).limit(limit)
    if after is not None:
        query = query.where(RunRow.number < after if newest_first else RunRow.number > after)
    return [Result(*row) for row in session.execute(query)]


def _results(actor: Principal, source: str) -> Select[str, int, datetime, int]:
    ended = func.coalesce(RunRow.finished_at, RunRow.created_at)
    query = select(RunRow.id, RunRow.number, ended, RunRow.last_sequence)
    return query.where(runs_visible_to(actor), RunRow.source == source, RunRow.status == RunStatus.SUCCEEDED)
