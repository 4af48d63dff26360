"""Finds and locks a run by the id that its client chose, or by its own."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.permissions import Principal
from finery.domain.ownership import NotYours, find_run, may_write_run, runs_visible_to
from finery.domain.runs.errors import RunAmbiguous, RunNotFound
from finery.kit.translatable import Translatable
from finery.models import RunRow, UserRow

MAX_SHOWN = 5
"""How many of the runs that one id could mean are listed."""


def find_row(session: Session, run_id: str, actor: Principal) -> RunRow:
    """Return a run that `actor` may see. An id that they chose precedes a run's own id, and that what others chose.

    Raises RunNotFound, also for a hidden run, and RunAmbiguous where several other users chose that id.
    """
    if (row := find_run(session, run_id, actor)) is not None:
        return row
    chosen = select(RunRow).where(RunRow.client_id == run_id, runs_visible_to(actor)).order_by(RunRow.number)
    rows = session.scalars(chosen.limit(MAX_SHOWN + 1)).all()
    if not rows:
        raise RunNotFound(run_id)
    if len(rows) > 1:
        raise RunAmbiguous(run_id, _owners(session, rows[:MAX_SHOWN]), is_all=len(rows) <= MAX_SHOWN)
    return rows[0]


def lock_row(session: Session, run_id: str, actor: Principal) -> RunRow:
    """Return a run that `actor` may change, read anew and locked until the transaction ends.

    Raises NotYours, and what `find_row` raises.
    """
    number = find_row(session, run_id, actor).number
    row = session.get(RunRow, number, with_for_update=True, populate_existing=True)
    if row is None:
        raise RunNotFound(run_id)
    if not may_write_run(actor, row.owner_id):
        raise NotYours(Translatable("run"), run_id)
    return row


def _owners(session: Session, rows: Sequence[RunRow]) -> dict[str, str]:
    """Return the names of the users who chose the id, by the runs' own ids."""
    ids = {row.owner_id for row in rows if row.owner_id is not None}
    names = {row.id: row.username for row in session.scalars(select(UserRow).where(UserRow.id.in_(ids)))}
    return {row.id: names.get(row.owner_id or "", "nobody") for row in rows}
