"""Finds and locks the rows of users."""

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from finery.domain.accounts.errors import SetupNeeded, UserNotFound
from finery.kit.ids import is_safe_id
from finery.models import SetupRow, UserRow

FIRST_ADMIN = "first_admin"


def find_user(session: Session, user_id: str) -> UserRow:
    """Raises UserNotFound."""
    return _only(session, select(UserRow).where(UserRow.id == user_id), user_id)


def lock_user(session: Session, user_id: str) -> UserRow:
    """Return the row, read anew and locked until the transaction ends. Raises UserNotFound."""
    query = select(UserRow).where(UserRow.id == user_id).with_for_update().execution_options(populate_existing=True)
    return _only(session, query, user_id)


def lock_administration(session: Session) -> None:
    """Lock changes of users, so that two administrators cannot delete one another at once. Raises SetupNeeded."""
    query = select(SetupRow.step).where(SetupRow.step == FIRST_ADMIN).with_for_update()
    if session.scalars(query).one_or_none() is None:
        raise SetupNeeded()


def _only(session: Session, query: Select[UserRow], user_id: str) -> UserRow:
    # What cannot be an id never reaches the database, which may not take it.
    row = session.scalars(query).one_or_none() if is_safe_id(user_id) else None
    if row is None:
        raise UserNotFound(user_id)
    return row
