"""What a transaction is about, for the audit entry that is written at its end."""

from sqlalchemy.orm import Session

_KEY = "audit_target"


def name_target(session: Session, target: str) -> None:
    """Where the request's address does not say it: something new."""
    session.info[_KEY] = target


def target_of(session: Session) -> str | None:
    found: str | None = session.info.get(_KEY)
    return found
