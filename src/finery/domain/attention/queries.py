"""Lists what needs attention now."""

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from finery.contracts.attention import Attention, Severity
from finery.contracts.permissions import Principal
from finery.domain.attention.mapping import attention_of
from finery.domain.ownership import runs_writable_by
from finery.domain.runs.queries import find_row
from finery.models import AttentionRow, RunRow

MOST_LISTED = 500


def list_open(session: Session, actor: Principal) -> list[Attention]:
    """List what the actor can mend: of the runs that are theirs to change, and, for those who see everyone's, of the
    machine. Errors first, then by age."""
    is_theirs = AttentionRow.run_number.is_not(None) & runs_writable_by(actor)
    return _listed(session, or_(is_theirs, AttentionRow.run_number.is_(None)) if actor.sees_all_runs else is_theirs)


def list_for_run(session: Session, run_id: str, actor: Principal) -> list[Attention]:
    """Raises RunNotFound."""
    return _listed(session, AttentionRow.run_number == find_row(session, run_id, actor).number)


def _listed(session: Session, condition: ColumnElement[bool]) -> list[Attention]:
    query = select(AttentionRow, RunRow).outerjoin(RunRow, RunRow.number == AttentionRow.run_number).where(condition)
    query = query.order_by(AttentionRow.opened_at, AttentionRow.id).limit(MOST_LISTED)
    found = [attention_of(row, run) for row, run in session.execute(query)]
    known = [attention for attention in found if attention is not None]
    return sorted(known, key=lambda attention: attention.severity is not Severity.ERROR)
