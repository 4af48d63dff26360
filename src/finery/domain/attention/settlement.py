"""Stores what the rules have found, and tells webhooks of what is new and of what is over."""

import hashlib
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.attention import AttentionEventType
from finery.domain.attention.mapping import attention_of
from finery.domain.attention.rules import Finding
from finery.domain.webhooks.attention_messages import add_attention_messages
from finery.models import AttentionRow, RunRow

PREFIX = "att_"
DIGITS = 24


def attention_id(finding: Finding) -> str:
    """Return the same id for the same condition of the same run, or of the machine."""
    subject = "machine" if finding.run_number is None else f"run:{finding.run_number}"
    return PREFIX + hashlib.sha256(f"{finding.code}\0{subject}".encode()).hexdigest()[:DIGITS]


def open_ids(session: Session) -> dict[str, tuple[str, int | None]]:
    """Return code and run number of each condition that is stored, by its id."""
    rows = session.execute(select(AttentionRow.id, AttentionRow.code, AttentionRow.run_number))
    return {row.id: (row.code, row.run_number) for row in rows}


def settle(session: Session, opened: Mapping[str, Finding], resolved: Collection[str], now: datetime) -> None:
    """Store the conditions that are new, remove those that are over, and write the messages to webhooks.

    All is one transaction, so that each is told once, whenever the server ends. What is stored already, or gone
    already, is passed over.
    """
    stored = {
        row.id: row for row in session.scalars(select(AttentionRow).where(AttentionRow.id.in_([*opened, *resolved])))
    }
    for id, finding in opened.items():
        if id not in stored:
            row = AttentionRow(
                id=id, code=finding.code, run_number=finding.run_number, values=finding.values, opened_at=now
            )
            session.add(row)
            _tell(session, row, AttentionEventType.OPENED, now)
    for id in resolved:
        if id in stored:
            _tell(session, stored[id], AttentionEventType.RESOLVED, now)
            session.delete(stored[id])


def _tell(session: Session, row: AttentionRow, type: AttentionEventType, now: datetime) -> None:
    run = None if row.run_number is None else session.get(RunRow, row.run_number)
    if (attention := attention_of(row, run)) is not None:
        add_attention_messages(session, type, attention, now)
