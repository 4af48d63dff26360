"""Finding a run's row."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.permissions import Principal
from finery.domain.ownership import NotYours, may_write_run, runs_visible_to
from finery.domain.runs.errors import RunNotFound
from finery.models import RunRow


def find_row(session: Session, run_id: str, who: Principal) -> RunRow:
    """To be read. Raises RunNotFound, also for what they may not see."""
    row = session.scalars(select(RunRow).where(RunRow.id == run_id, runs_visible_to(who))).one_or_none()
    if row is None:
        raise RunNotFound(run_id)
    return row


def lock_row(session: Session, run_id: str, who: Principal) -> RunRow:
    """To be changed: fresh, and nobody else's until the transaction ends. Raises RunNotFound, NotYours."""
    query = select(RunRow).where(RunRow.id == run_id, runs_visible_to(who))
    row = session.scalars(query.with_for_update().execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise RunNotFound(run_id)
    if not may_write_run(who, row.owner_id):
        raise NotYours("run", run_id)
    return row
