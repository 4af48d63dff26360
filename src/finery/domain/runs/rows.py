"""Finding a run's row."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.domain.runs.errors import RunNotFound
from finery.models import RunRow


def find_row(session: Session, run_id: str) -> RunRow:
    """Raises RunNotFound."""
    row = session.scalars(select(RunRow).where(RunRow.id == run_id)).one_or_none()
    if row is None:
        raise RunNotFound(run_id)
    return row


def lock_row(session: Session, run_id: str) -> RunRow:
    """The row, fresh, and nobody else's until the transaction ends. Raises RunNotFound."""
    query = select(RunRow).where(RunRow.id == run_id).with_for_update().execution_options(populate_existing=True)
    row = session.scalars(query).one_or_none()
    if row is None:
        raise RunNotFound(run_id)
    return row
