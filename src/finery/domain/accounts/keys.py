"""API keys: a user's own, never worth more than their user, nor than the key that made them."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.accounts import ApiKey, NewKey
from finery.contracts.permissions import Permission, Principal
from finery.domain.accounts.errors import KeyNotFound, SetupNeeded
from finery.domain.accounts.mapping import key_of
from finery.domain.accounts.tokens import SHOWN_CHARACTERS, hash_token, new_key
from finery.domain.accounts.validation import check_title, refuse
from finery.domain.errors import Flaw
from finery.kit.clock import utc_now
from finery.kit.ids import is_safe_id
from finery.kit.printable import printable
from finery.kit.suggest import nearest
from finery.models import ApiKeyRow

LONGEST_DAYS = 3650

_KNOWN = {permission.value: permission for permission in sorted(Permission)}


def create_key(
    session: Session,
    principal: Principal,
    *,
    name: str,
    expires_days: int | None = None,
    scoped_permissions: Sequence[str] | None = None,
) -> NewKey:
    """Without scopes it may do what `principal` may, and without an end it ends when the key does that they came with.

    Raises InvalidAccount; SetupNeeded for who has no account.
    """
    if principal.user_id is None:
        raise SetupNeeded()
    now = utc_now()
    refuse(_flaws_of(principal, name, expires_days, scoped_permissions, now))
    key = new_key()
    row = ApiKeyRow(
        id=str(uuid.uuid4()),
        user_id=principal.user_id,
        name=name,
        prefix=key[:SHOWN_CHARACTERS],
        secret_hash=hash_token(key),
        scoped_permissions=_scopes_of(principal, scoped_permissions),
        created_at=now,
        expires_at=principal.expires_at if expires_days is None else now + timedelta(days=expires_days),
    )
    session.add(row)
    session.flush()
    return NewKey(key, key_of(row, now=now))


def list_keys(session: Session, user_id: str) -> list[ApiKey]:
    """Newest first, revoked ones too; the 500 newest at most."""
    query = select(ApiKeyRow).where(ApiKeyRow.user_id == user_id).order_by(ApiKeyRow.created_at.desc()).limit(500)
    now = utc_now()
    return [key_of(row, now=now) for row in session.scalars(query)]


def revoke_key(session: Session, user_id: str, key_id: str) -> ApiKey:
    """For ever; silent when it was revoked already. Raises KeyNotFound, also for another user's key."""
    if not is_safe_id(key_id):
        raise KeyNotFound(key_id)
    query = select(ApiKeyRow).where(ApiKeyRow.id == key_id, ApiKeyRow.user_id == user_id).with_for_update()
    row = session.scalars(query).one_or_none()
    if row is None:
        raise KeyNotFound(key_id)
    now = utc_now()
    row.revoked_at = row.revoked_at or now
    return key_of(row, now=now)


def _scopes_of(principal: Principal, scopes: Sequence[str] | None) -> list[str] | None:
    if scopes is not None:
        return sorted(set(scopes))
    return sorted(principal.permissions) if principal.is_scoped else None


def _flaws_of(
    principal: Principal, name: str, expires_days: int | None, scopes: Sequence[str] | None, now: datetime
) -> Iterator[Flaw]:
    yield Flaw("name", check_title(name))
    if expires_days is not None:
        yield Flaw("expires_days", _about_days(principal, expires_days, now))
    if scopes is not None and not scopes:
        yield Flaw("scoped_permissions", "must name at least one permission; leave it out for all")
    for scope in scopes or ():
        yield Flaw("scoped_permissions", _about_scope(principal, scope))


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
