"""Creates, changes and deletes users. One active administrator with a password always stays."""

import uuid
from collections.abc import Iterable
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from finery.contracts.accounts import NewUser, User, UserChanges
from finery.contracts.permissions import Level
from finery.domain import audit
from finery.domain.accounts.errors import LastAdministrator, UserExists, WrongPassword
from finery.domain.accounts.keys import revoke_keys
from finery.domain.accounts.logins import revoke_sessions
from finery.domain.accounts.mapping import user_of
from finery.domain.accounts.passwords import hash_password, matches
from finery.domain.accounts.queries import find_user, lock_administration, lock_user
from finery.domain.accounts.validation import check_fields, check_password, distinct, email_key, username_key
from finery.kit.clock import utc_now
from finery.models import DeploymentRow, RunRow, UserRow

CLEARABLE = "display_name"
"""The one field that may be set to None."""


def create_user(session: Session, new: NewUser) -> User:
    """Create a user. Raises InvalidAccount, UserExists, SetupNeeded."""
    row = prepare_user(new)
    lock_administration(session)
    insert_user(session, row)
    audit.name_target(session, row.id, name=row.username)
    return user_of(row)


def get_user(session: Session, user_id: str) -> User:
    """Raises UserNotFound."""
    return user_of(find_user(session, user_id))


def list_users(session: Session, *, limit: int = 500, offset: int = 0) -> list[User]:
    """List users by their names."""
    query = select(UserRow).order_by(UserRow.username_key).limit(limit).offset(offset)
    return [user_of(row) for row in session.scalars(query)]


def update_user(session: Session, user_id: str, changes: UserChanges, *, is_admin: bool | None = None) -> User:
    """Change a user. A new password and a deactivation end the user's sessions and revoke their keys, so that whoever
    else had the account loses it.

    `is_admin` adds or removes the level `admin`, whatever other levels the user has or is given. Raises UserNotFound,
    InvalidAccount, UserExists, LastAdministrator.
    """
    given = {name: value for name, value in changes if name in changes.model_fields_set}
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None or name == CLEARABLE}
    if "levels" in values:
        values["levels"] = with_admin_level(values["levels"], is_admin=is_admin)
    check_fields(values)
    if (password := values.pop("password", None)) is not None:
        values["password_hash"] = hash_password(password)
    lock_administration(session)
    row = lock_user(session, user_id)
    before = user_of(row)
    if password is not None:
        check_password(password, username=values.get("username", row.username))
    if is_admin is not None and "levels" not in values:
        values["levels"] = with_admin_level(user_of(row).levels, is_admin=is_admin)
    _refuse_taken(session, values, but=user_id)
    with session.begin_nested():
        was_able = _is_able_admin(row)
        _apply(row, values)
        session.flush()
        if was_able and not _is_able_admin(row):
            _refuse_without_admin(session, row.username)
    if password is not None or not row.is_active:
        revoke_sessions(session, user_id)
        revoke_keys(session, user_id)
    audit.name_target(session, user_id, name=before.username)
    # Whether there is a password tells nothing of one that took another's place.
    audit.name_changes(session, before, user_of(row).model_copy(update={"has_password": before.has_password}))
    if password is not None:
        audit.name_hidden_change(session, "password")
    return user_of(row)


def delete_user(session: Session, user_id: str) -> None:
    """Delete a user with their sessions, keys and secrets; their runs and deployments stay, without an owner.

    Raises UserNotFound, LastAdministrator.
    """
    lock_administration(session)
    row = lock_user(session, user_id)
    with session.begin_nested():
        was_able = _is_able_admin(row)
        session.delete(row)
        session.flush()
        if was_able:
            _refuse_without_admin(session, row.username)
    audit.name_target(session, user_id, name=row.username)
    session.execute(update(RunRow).where(RunRow.owner_id == user_id).values(owner_id=None))
    session.execute(update(DeploymentRow).where(DeploymentRow.owner_id == user_id).values(owner_id=None))


def change_password(session: Session, user_id: str, *, current: str, new: str, keep: str | None = None) -> User:
    """Change one's own password. It ends all sessions but the one with the token `keep`; API keys stay valid.

    Raises WrongPassword, InvalidAccount.
    """
    check_fields({"new_password": new})
    password_hash = hash_password(new)
    row = lock_user(session, user_id)
    if not matches(row.password_hash, current):
        raise WrongPassword()
    check_password(new, username=row.username, field="new_password")
    row.password_hash, row.updated_at = password_hash, utc_now()
    revoke_sessions(session, user_id, keep=keep)
    return user_of(row)


def with_admin_level(levels: Iterable[Level], *, is_admin: bool | None) -> list[Level]:
    """Return the levels with or without `admin`, as `is_admin` says; None leaves them. The last level to be removed
    becomes `researcher`, so that the user can still work."""
    if is_admin is None:
        return list(levels)
    others: list[Level] = [level for level in levels if level is not Level.ADMIN]
    return [*others, Level.ADMIN] if is_admin else others or [Level.RESEARCHER]


def prepare_user(new: NewUser) -> UserRow:
    """Return a row that is in no session yet, since no transaction should wait for hashing. Raises InvalidAccount."""
    check_fields(dict(new))
    if new.password is not None:
        check_password(new.password, username=new.username)
    now = utc_now()
    return UserRow(
        id=str(uuid.uuid4()),
        email=new.email,
        email_key=email_key(new.email),
        username=new.username,
        username_key=username_key(new.username),
        display_name=new.display_name,
        password_hash=None if new.password is None else hash_password(new.password),
        levels=distinct(new.levels),
        is_admin=Level.ADMIN in new.levels,
        is_active=True,
        created_at=now,
        updated_at=now,
    )


def insert_user(session: Session, row: UserRow) -> None:
    """Add the row; the caller has locked the administration. Raises UserExists."""
    _refuse_taken(session, {"email": row.email, "username": row.username}, but=row.id)
    session.add(row)
    session.flush()


def _apply(row: UserRow, values: dict[str, Any]) -> None:
    row.email = values.get("email", row.email)
    row.email_key = email_key(row.email)
    row.username = values.get("username", row.username)
    row.username_key = username_key(row.username)
    row.display_name = values.get("display_name", row.display_name)
    row.password_hash = values.get("password_hash", row.password_hash)
    row.levels = distinct(values.get("levels", row.levels))
    row.is_admin = Level.ADMIN in row.levels
    row.is_active = values.get("is_active", row.is_active)
    row.updated_at = utc_now()


def _refuse_taken(session: Session, values: dict[str, Any], *, but: str) -> None:
    """Raises UserExists. The caller has locked the administration, so that free names stay free until it commits."""
    for name, column, key in (
        ("email", UserRow.email_key, email_key),
        ("username", UserRow.username_key, username_key),
    ):
        if name in values:
            query = select(UserRow.id).where(column == key(values[name]), UserRow.id != but)
            if session.scalars(query).first() is not None:
                raise UserExists(name, values[name])


def _is_able_admin(row: UserRow) -> bool:
    return row.is_admin and row.is_active and row.password_hash is not None


def _refuse_without_admin(session: Session, username: str) -> None:
    able = (UserRow.is_admin.is_(True), UserRow.is_active.is_(True), UserRow.password_hash.is_not(None))
    if session.scalars(select(UserRow.id).where(*able).limit(1)).first() is None:
        raise LastAdministrator(username)
