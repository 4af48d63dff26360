"""Logs users in and out.

A login takes two steps, so that no transaction that writes waits for the hashing of a password: `check_login` in a
session that reads, `open_session` in one that writes.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from finery.contracts.accounts import NewSession
from finery.domain.accounts.errors import LoginRefused, UserNotFound
from finery.domain.accounts.mapping import user_of
from finery.domain.accounts.passwords import hash_password, is_outdated, matches
from finery.domain.accounts.queries import lock_user
from finery.domain.accounts.tokens import hash_token
from finery.domain.accounts.validation import email_key, is_email, is_username, username_key
from finery.kit.clock import utc_now
from finery.kit.printable import printable
from finery.models import SessionRow, UserRow


@dataclass(frozen=True)
class Lifetime:
    idle: timedelta
    """A session ends when it is not used for this long."""
    total: timedelta


SHORT = Lifetime(idle=timedelta(hours=12), total=timedelta(days=7))
REMEMBERED = Lifetime(idle=timedelta(days=30), total=timedelta(days=90))
LONGEST_TRIED, LONGEST_OTHER = 64, 16
"""Characters that are kept of a name that a refused login tried: one that an account can have, and any other."""


@dataclass(frozen=True)
class CheckedLogin:
    """Proves that a password was right; valid until the password changes."""

    user_id: str
    password_hash: str = field(repr=False)
    upgraded_hash: str | None = field(repr=False)
    """A hash with today's parameters, where the stored one has others."""


def check_login(session: Session, login: str, password: str) -> CheckedLogin:
    """Check a password of a user name or an e-mail address. Raises LoginRefused, after the same time in all cases."""
    user = _find_user(session, login)
    is_right = matches(user.password_hash if user else None, password)
    if user is None or user.password_hash is None or not is_right or not user.is_active:
        raise LoginRefused()
    upgraded = hash_password(password) if is_outdated(user.password_hash) else None
    return CheckedLogin(user.id, user.password_hash, upgraded)


def tried_name(login: str) -> str:
    """Return the name of a refused login as it may be kept: escaped, and cut to what an account's name has at most.

    Of what can be no account's name only the beginning is kept: somebody may have typed the password there.
    """
    can_be_one = is_username(login) or is_email(login)
    return printable(login, limit=LONGEST_TRIED if can_be_one else LONGEST_OTHER)


def open_session(session: Session, checked: CheckedLogin, *, remember: bool, address: str | None) -> NewSession:
    """Open a session. Raises LoginRefused where the user was deactivated or changed the password since the check."""
    row = _lock_checked(session, checked)
    now = utc_now()
    row.password_hash = checked.upgraded_hash or row.password_hash
    row.last_login_at = now
    session.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
    token = secrets.token_urlsafe(32)
    opened = SessionRow(
        token_hash=hash_token(token),
        user_id=row.id,
        remember=remember,
        address=None if address is None else printable(address, limit=64),
        created_at=now,
        last_seen_at=now,
        expires_at=expiry_of(now, now, remember=remember),
    )
    session.add(opened)
    session.flush()
    return NewSession(token, opened.expires_at, remember, user_of(row))


def close_session(session: Session, token: str) -> None:
    """Log out. Does nothing when the session has ended already."""
    session.execute(delete(SessionRow).where(SessionRow.token_hash == hash_token(token)))


def revoke_sessions(session: Session, user_id: str, *, keep: str | None = None) -> None:
    """End all sessions of a user except the one with the token `keep`."""
    query = delete(SessionRow).where(SessionRow.user_id == user_id)
    session.execute(query if keep is None else query.where(SessionRow.token_hash != hash_token(keep)))


def expiry_of(created_at: datetime, seen_at: datetime, *, remember: bool) -> datetime:
    lifetime = REMEMBERED if remember else SHORT
    return min(seen_at + lifetime.idle, created_at + lifetime.total)


def _find_user(session: Session, login: str) -> UserRow | None:
    # Text that is neither a user name nor an address never reaches the database, which may not take it.
    if is_username(login):
        query = select(UserRow).where(UserRow.username_key == username_key(login))
    elif is_email(login):
        query = select(UserRow).where(UserRow.email_key == email_key(login))
    else:
        return None
    return session.scalars(query).one_or_none()


def _lock_checked(session: Session, checked: CheckedLogin) -> UserRow:
    try:
        row = lock_user(session, checked.user_id)
    except UserNotFound as error:
        raise LoginRefused() from error
    if not row.is_active or row.password_hash != checked.password_hash:
        raise LoginRefused()
    return row
