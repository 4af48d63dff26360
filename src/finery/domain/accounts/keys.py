"""Creates, lists and revokes API keys. None allows more than its user may, nor more than the key that made it."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from finery.contracts.accounts import ApiKey, NewKey
from finery.contracts.permissions import Permission, Principal
from finery.domain.accounts.errors import KeyNotFound, KeyRefused, SetupNeeded, TooManyKeys, UserNotFound
from finery.domain.accounts.mapping import key_of
from finery.domain.accounts.queries import find_user, lock_user
from finery.domain.accounts.tokens import SHOWN_CHARACTERS, hash_token, new_key
from finery.domain.accounts.validation import check_title, raise_on_issues
from finery.domain.errors import Issue
from finery.kit.clock import utc_now
from finery.kit.ids import is_safe_id
from finery.kit.printable import printable
from finery.kit.suggest import nearest
from finery.models import ApiKeyRow

LONGEST_DAYS = 3650
MOST_KEYS = 100
"""Active keys of one user, few enough for all to be listed."""
MAX_LISTED = 500

_KNOWN = {permission.value: permission for permission in sorted(Permission)}


def create_key(
    session: Session,
    principal: Principal,
    *,
    name: str,
    expires_days: int | None = None,
    scoped_permissions: Sequence[str] | None = None,
) -> NewKey:
    """Create a key. Without scopes it may do what `principal` may; without an end it ends when their own key does.

    Raises InvalidAccount, TooManyKeys, SetupNeeded for a principal without an account, and KeyRefused where the account
    was deleted or deactivated meanwhile.
    """
    if principal.user_id is None:
        raise SetupNeeded()
    now = utc_now()
    raise_on_issues(_issues_of(principal, name, expires_days, scoped_permissions, now))
    _refuse_surplus(session, principal.user_id, now)
    key = new_key()
    # A key made with a scoped key has its scopes.
    scopes = principal.permissions if scoped_permissions is None and principal.is_scoped else scoped_permissions
    row = ApiKeyRow(
        id=str(uuid.uuid4()),
        user_id=principal.user_id,
        name=name,
        prefix=key[:SHOWN_CHARACTERS],
        secret_hash=hash_token(key),
        scoped_permissions=None if scopes is None else sorted(set(scopes)),
        created_at=now,
        expires_at=principal.expires_at if expires_days is None else now + timedelta(days=expires_days),
    )
    session.add(row)
    session.flush()
    return NewKey(key, key_of(row, now=now))


def list_keys(session: Session, user_id: str) -> list[ApiKey]:
    """List a user's keys, newest first: all that are active, and the newest of the others."""
    now = utc_now()
    query = select(ApiKeyRow).where(ApiKeyRow.user_id == user_id).order_by(ApiKeyRow.created_at.desc())
    active = session.scalars(query.where(_is_active(now)).limit(MAX_LISTED)).all()
    others = session.scalars(query.where(~_is_active(now)).limit(MAX_LISTED - len(active))).all()
    rows = sorted([*active, *others], key=lambda row: row.created_at, reverse=True)
    return [key_of(row, now=now) for row in rows]


def list_keys_of(session: Session, user_id: str) -> list[ApiKey]:
    """List the keys of a user whom an administrator names. Raises UserNotFound."""
    return list_keys(session, find_user(session, user_id).id)


def revoke_key(session: Session, user_id: str, key_id: str) -> ApiKey:
    """Revoke a key for ever, once or again. Raises KeyNotFound, also for another user's key."""
    if not is_safe_id(key_id):
        raise KeyNotFound(key_id)
    query = select(ApiKeyRow).where(ApiKeyRow.id == key_id, ApiKeyRow.user_id == user_id).with_for_update()
    row = session.scalars(query).one_or_none()
    if row is None:
        raise KeyNotFound(key_id)
    now = utc_now()
    row.revoked_at = row.revoked_at or now
    return key_of(row, now=now)


def revoke_key_of(session: Session, user_id: str, key_id: str) -> ApiKey:
    """Revoke a key of a user whom an administrator names. Raises UserNotFound, KeyNotFound."""
    return revoke_key(session, find_user(session, user_id).id, key_id)


def revoke_keys(session: Session, user_id: str) -> None:
    """Revoke all keys of a user."""
    query = update(ApiKeyRow).where(ApiKeyRow.user_id == user_id, ApiKeyRow.revoked_at.is_(None))
    session.execute(query.values(revoked_at=utc_now()))


def _is_active(now: datetime) -> ColumnElement[bool]:
    """Return the condition in SQL for `ApiKey.is_active`, as `key_of` computes it."""
    return ApiKeyRow.revoked_at.is_(None) & or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > now)


def _refuse_surplus(session: Session, user_id: str, now: datetime) -> None:
    """Raises TooManyKeys, and KeyRefused where the user was deleted or deactivated."""
    # The lock makes concurrent requests count one after another, and a deactivation wait for this key or forbid it.
    try:
        user = lock_user(session, user_id)
    except UserNotFound as error:
        raise KeyRefused() from error
    if not user.is_active:
        raise KeyRefused()
    count = select(func.count()).select_from(ApiKeyRow).where(ApiKeyRow.user_id == user_id, _is_active(now))
    if (session.scalar(count) or 0) >= MOST_KEYS:
        raise TooManyKeys(MOST_KEYS)


def _issues_of(
    principal: Principal, name: str, expires_days: int | None, scopes: Sequence[str] | None, now: datetime
) -> Iterator[Issue]:
    yield Issue("name", check_title(name))
    if expires_days is not None:
        yield Issue("expires_days", _about_days(principal, expires_days, now))
    if scopes is not None and not scopes:
        yield Issue("scoped_permissions", "must name at least one permission; leave it out for all")
    for scope in scopes or ():
        yield Issue("scoped_permissions", _about_scope(principal, scope))


def _about_days(principal: Principal, days: int, now: datetime) -> str:
    if not 1 <= days <= LONGEST_DAYS:
        return f"must be 1 to {LONGEST_DAYS}"
    end = principal.expires_at
    if end is not None and now + timedelta(days=days) > end:
        return f"the key that you come with ends at {end:%Y-%m-%dT%H:%MZ}, and so does one made with it; leave it out"
    return ""


def _about_scope(principal: Principal, scope: str) -> str:
    if scope not in _KNOWN:
        near = nearest(scope, _KNOWN)
        hint = f" (did you mean {near}?)" if near else ""
        return f"'{printable(scope)}' is no permission{hint}; known are {', '.join(_KNOWN)}"
    return "" if principal.may(_KNOWN[scope]) else f"you do not have {scope} yourself"
