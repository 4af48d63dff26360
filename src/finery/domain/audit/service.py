"""Records, lists and exports the entries of the audit log."""

import csv
import io
import json
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from finery.contracts.accounts import AuditEntry, AuditFilter, AuditPage, AuditResult
from finery.contracts.permissions import Principal
from finery.domain.cursors import cut_page, parse_cursor
from finery.kit.clock import utc_now
from finery.kit.printable import printable
from finery.kit.redaction import REDACTED
from finery.models import AuditRow

SECRET_WORDS = ("password", "secret", "token", "api_key", "authorization", "cookie")
MAX_DEPTH = 6
EXPORT_ROWS = 1000
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
"""With which a cell begins that spreadsheets compute."""
BOOKKEEPING = ("_at", "last_sequence")
"""The ends of names of fields whose changes follow from others."""

_TARGET, _NAME, _CHANGES = "audit_target", "audit_target_name", "audit_changes"
"""In a session's `info`: what the entry says that is written at the end of its transaction."""


def record(
    session: Session,
    action: str,
    *,
    actor: Principal,
    address: str | None,
    target: str | None = None,
    result: AuditResult = AuditResult.OK,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry, in the transaction of the action that it records.

    A refusal rolls its transaction back, and what was recorded there too: record it in one of its own. Values under a
    key that sounds like a secret are left out; nothing else is looked for in `details`.
    """
    session.add(
        AuditRow(
            at=utc_now(),
            user_id=actor.user_id,
            user_name=printable(actor.name, limit=200),
            action=printable(action, limit=64),
            target=None if target is None else printable(target, limit=200),
            address=None if address is None else printable(address, limit=64),
            result=result.value,
            details=_without_secrets(dict(details or {}), MAX_DEPTH),
        )
    )


def name_target(session: Session, target: str, *, name: str | None = None) -> None:
    """Set the target of this transaction's entry, where the request's path does not name it: something new.

    `name` is what people call it where its id tells nobody what it was: a user, who may be deleted later.
    """
    session.info[_TARGET], session.info[_NAME] = target, name


def name_changes(session: Session, before: BaseModel, after: BaseModel, *, hidden: Collection[str] = ()) -> None:
    """Set what this transaction's entry says was changed: the fields in which two states differ, but for book-keeping.

    Of fields in `hidden` it says only that they changed: they may hold a secret.
    """
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    kept = [name for name in old if not name.endswith(BOOKKEEPING)]
    differing = [name for name in kept if old[name] != new[name]]
    changes = [
        f"{name}: changed" if name in hidden else f"{name}: {_shown(old[name])} → {_shown(new[name])}"
        for name in differing
    ]
    session.info[_CHANGES] = [*session.info.get(_CHANGES, ()), *changes]


def name_hidden_change(session: Session, name: str) -> None:
    """Add to this transaction's entry that something was changed that no state shows, as a password."""
    session.info[_CHANGES] = [*session.info.get(_CHANGES, ()), f"{name}: changed"]


def target_of(session: Session) -> str | None:
    target: str | None = session.info.get(_TARGET)
    return target


def named_details(session: Session) -> dict[str, Any]:
    """Return what was named of this transaction, for its entry's details: `target_name` and `changes`, if any."""
    named = {"target_name": session.info.get(_NAME), "changes": session.info.get(_CHANGES)}
    return {key: value for key, value in named.items() if value}


def list_page(session: Session, audit_filter: AuditFilter, *, limit: int, cursor: str | None = None) -> AuditPage:
    """List entries, newest first. `cursor` is the `next_cursor` of the page before. Raises BadCursor."""
    query = _filtered(audit_filter).order_by(AuditRow.id.desc())
    if cursor is not None:
        query = query.where(AuditRow.id < parse_cursor(cursor))
    rows, next_cursor = cut_page(session.scalars(query.limit(limit + 1)).all(), limit, lambda row: row.id)
    return AuditPage(entries=[_entry_of(row) for row in rows], next_cursor=next_cursor)


def export(session: Session, audit_filter: AuditFilter) -> Iterator[str]:
    """Yield entries, oldest first, one JSON object a line. Memory holds EXPORT_ROWS of them, however many there are."""
    for entry in _entries(session, audit_filter):
        yield entry.model_dump_json() + "\n"


def export_csv(session: Session, audit_filter: AuditFilter) -> Iterator[str]:
    """Yield a line with the fields' names, then entries as `export` does, by RFC 4180."""
    buffer = io.StringIO()
    lines = csv.writer(buffer)
    lines.writerow(AuditEntry.model_fields)
    for entry in _entries(session, audit_filter):
        yield _taken(buffer)
        fields = entry.model_dump(mode="json")
        details = json.dumps(fields["details"], ensure_ascii=False)
        lines.writerow(_not_a_formula(value) for value in {**fields, "details": details}.values())
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _not_a_formula(value: object) -> object:
    """Return a cell that no spreadsheet computes: names and targets are what users chose."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_SIGNS) else value


def _entries(session: Session, audit_filter: AuditFilter) -> Iterator[AuditEntry]:
    query = _filtered(audit_filter).order_by(AuditRow.id).limit(EXPORT_ROWS)
    after = 0
    while rows := session.scalars(query.where(AuditRow.id > after)).all():
        for row in rows:
            yield _entry_of(row)
        after = rows[-1].id
        session.expunge_all()


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


def _shown(value: Any) -> str:
    """Return a value as a line of changes has it, without quotation marks and in one line of bounded length."""
    match value:
        case _ if value in (None, [], {}, ""):
            return "none"
        case str():
            return printable(value, limit=200)
        case list() if all(isinstance(item, str) for item in value):
            return printable(", ".join(value), limit=200)
        case _:
            return printable(json.dumps(value, ensure_ascii=False), limit=200)


def _without_secrets(value: Any, depth: int) -> Any:
    """Return `value` as JSON has it, without secrets and without what lies deeper than `depth`."""
    if depth == 0:
        return "…"
    match value:
        case Mapping():
            return {
                printable(str(key)): REDACTED if _is_secret(str(key)) else _without_secrets(item, depth - 1)
                for key, item in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [_without_secrets(item, depth - 1) for item in value]
        case float() if not math.isfinite(value):
            return str(value)
        case bool() | int() | float() | None:
            return value
        case _:
            return printable(str(value), limit=1000)


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in SECRET_WORDS)
