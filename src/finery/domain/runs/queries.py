"""Finding a run's row by the id that its client chose, or by its own."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.permissions import Principal
from finery.domain.ownership import NotYours, find_run, may_write_run, runs_visible_to
from finery.domain.runs.errors import RunAmbiguous, RunNotFound
from finery.models import RunRow, UserRow

SHOWN = 5
"""Of the runs that one id could mean."""


def find_row(session: Session, run_id: str, actor: Principal) -> RunRow:
    """To be read. An id that they chose themselves goes before a run's own id, and that before what others chose.

    Raises RunNotFound, also for what they may not see, and RunAmbiguous where several others chose that id.
    """
    if (row := find_run(session, run_id, actor)) is not None:
        return row
    chosen = select(RunRow).where(RunRow.client_id == run_id, runs_visible_to(actor)).order_by(RunRow.number)
    rows = session.scalars(chosen.limit(SHOWN + 1)).all()
    if not rows:
        raise RunNotFound(run_id)
    if len(rows) > 1:
        raise RunAmbiguous(run_id, _owners(session, rows[:SHOWN]), is_all=len(rows) <= SHOWN)
    return rows[0]


def lock_row(session: Session, run_id: str, actor: Principal) -> RunRow:
    """To be changed: fresh, and nobody else's until the transaction ends. Raises NotYours, and what `find_row` does."""
    number = find_row(session, run_id, actor).number
    row = session.get(RunRow, number, with_for_update=True, populate_existing=True)
    if row is None:
        raise RunNotFound(run_id)
    if not may_write_run(actor, row.owner_id):
        raise NotYours("run", run_id)
    return row


def _owners(session: Session, rows: Sequence[RunRow]) -> dict[str, str]:
    """Who chose the id, by the run's own id."""
    ids = {row.owner_id for row in rows if row.owner_id is not None}
    names = {row.id: row.username for row in session.scalars(select(UserRow).where(UserRow.id.in_(ids)))}
    return {row.id: names.get(row.owner_id or "", "nobody") for row in rows}
