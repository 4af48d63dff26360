from collections.abc import Iterator

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from finery.contracts.accounts import AuditEntry, AuditFilter, AuditPage, AuditResult
from finery.domain.cursors import parse_cursor
from finery.kit.printable import printable
from finery.models import AuditRow

EXPORT_ROWS = 1000


def list_page(session: Session, audit_filter: AuditFilter, *, limit: int, cursor: str | None = None) -> AuditPage:
    """Newest first. `cursor` is the `next_cursor` of the page before; raises BadCursor for anything else."""
    query = _filtered(audit_filter).order_by(AuditRow.id.desc())
    if cursor is not None:
        query = query.where(AuditRow.id < parse_cursor(cursor))
    rows = session.scalars(query.limit(limit + 1)).all()
    more = len(rows) > limit > 0
    return AuditPage(
        entries=[_entry_of(row) for row in rows[:limit]], next_cursor=str(rows[limit - 1].id) if more else None
    )


def export(session: Session, audit_filter: AuditFilter) -> Iterator[str]:
    """Oldest first, one JSON object a line; a few rows at a time are held, however many there are."""
    after = 0
    while rows := _after(session, audit_filter, after):
        for row in rows:
            yield _entry_of(row).model_dump_json() + "\n"
        after = rows[-1].id
        session.expunge_all()


def _after(session: Session, audit_filter: AuditFilter, after: int) -> list[AuditRow]:
    query = _filtered(audit_filter).where(AuditRow.id > after).order_by(AuditRow.id).limit(EXPORT_ROWS)
    return list(session.scalars(query))


def _filtered(audit_filter: AuditFilter) -> Select[AuditRow]:
    query = select(AuditRow)
    for column, value, limit in (
        (AuditRow.user_id, audit_filter.user_id, 36),
        (AuditRow.action, audit_filter.action, 64),
        (AuditRow.target, audit_filter.target, 200),
        (AuditRow.result, audit_filter.result, 16),
    ):
        if value is not None:
            query = query.where(column == printable(value, limit=limit))
    if audit_filter.since is not None:
        query = query.where(AuditRow.at >= audit_filter.since)
    if audit_filter.until is not None:
        query = query.where(AuditRow.at < audit_filter.until)
    return query


def _entry_of(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        at=row.at,
        user_id=row.user_id,
        user_name=row.user_name,
        action=row.action,
        target=row.target,
        address=row.address,
        result=AuditResult(row.result),
        details=row.details,
    )
