"""Who comes with a session's token or an API key: one query, by an index, for every request."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from finery.contracts.permissions import Level, Permission, Principal, permissions_of
from finery.domain.accounts.errors import KeyRefused, SessionEnded
from finery.domain.accounts.logins import expiry_of
from finery.domain.accounts.tokens import KEY_PREFIX, hash_token
from finery.kit.clock import utc_now
from finery.models import ApiKeyRow, SessionRow, SetupRow, UserRow

TABLES = frozenset(row.__tablename__ for row in (SetupRow, UserRow, SessionRow, ApiKeyRow))
"""All that decides who comes with a request, and what they may."""
USE_NOTED_EVERY = timedelta(minutes=1)


class Means(Enum):
    SESSION = "session"
    KEY = "key"


@dataclass(frozen=True)
class Recognised:
    principal: Principal
    means: Means
    row_id: str
    """Of the session or key."""
    is_stale: bool
    """Its use was not noted for a minute: call `note_use` in a session that writes."""
    expires_at: datetime | None

    def has_ended(self) -> bool:
        return self.expires_at is not None and self.expires_at <= utc_now()


def principal_of_session(session: Session, token: str) -> Recognised:
    """Raises SessionEnded."""
    query = (
        select(SessionRow.token_hash, SessionRow.expires_at, SessionRow.last_seen_at, *_USER)
        .join(UserRow, UserRow.id == SessionRow.user_id)
        .where(SessionRow.token_hash == hash_token(token))
    )
    found, now = session.execute(query).one_or_none(), utc_now()
    if found is None or found.expires_at <= now or not found.is_active:
        raise SessionEnded()
    principal = Principal(found.id, found.username, _permissions(found.levels))
    return Recognised(principal, Means.SESSION, found.token_hash, _is_stale(found.last_seen_at, now), found.expires_at)


def principal_of_key(session: Session, key: str) -> Recognised:
    """May do what its user may now, and its scopes allow. Raises KeyRefused."""
    if not key.startswith(KEY_PREFIX):
        raise KeyRefused()
    query = (
        select(
            ApiKeyRow.id.label("key_id"),
            ApiKeyRow.expires_at,
            ApiKeyRow.revoked_at,
            ApiKeyRow.last_used_at,
            ApiKeyRow.scoped_permissions,
            *_USER,
        )
        .join(UserRow, UserRow.id == ApiKeyRow.user_id)
        .where(ApiKeyRow.secret_hash == hash_token(key))
    )
    found, now = session.execute(query).one_or_none(), utc_now()
    if found is None or not found.is_active or found.revoked_at is not None:
        raise KeyRefused()
    if found.expires_at is not None and found.expires_at <= now:
        raise KeyRefused()
    principal = _scoped(found.id, found.username, _permissions(found.levels), found.scoped_permissions)
    principal = replace(principal, expires_at=found.expires_at)
    return Recognised(principal, Means.KEY, found.key_id, _is_stale(found.last_used_at, now), found.expires_at)


def note_use(session: Session, recognised: Recognised) -> None:
    """Store when it was last used, and put a session's end off; of many at once one writes."""
    _NOTERS[recognised.means](session, recognised.row_id, utc_now())


def _note_session(session: Session, token_hash: str, now: datetime) -> None:
    query = (
        select(SessionRow)
        .where(SessionRow.token_hash == token_hash, SessionRow.last_seen_at <= now - USE_NOTED_EVERY)
        .with_for_update()
    )
    row = session.scalars(query).one_or_none()
    if row is not None:
        row.last_seen_at = now
        row.expires_at = expiry_of(row.created_at, now, remember=row.remember)


def _note_key(session: Session, key_id: str, now: datetime) -> None:
    is_stale = or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at <= now - USE_NOTED_EVERY)
    session.execute(update(ApiKeyRow).where(ApiKeyRow.id == key_id, is_stale).values(last_used_at=now))


_USER = (UserRow.id, UserRow.username, UserRow.levels, UserRow.is_active)
_NOTERS = {Means.SESSION: _note_session, Means.KEY: _note_key}


def _permissions(levels: Sequence[str]) -> frozenset[Permission]:
    return permissions_of(Level(level) for level in levels)


def _scoped(user_id: str, name: str, allowed: frozenset[Permission], scopes: Sequence[str] | None) -> Principal:
    if scopes is None:
        return Principal(user_id, name, allowed)
    return Principal(
        user_id, name, frozenset(permission for permission in allowed if permission in scopes), is_scoped=True
    )


def _is_stale(last_use: datetime | None, now: datetime) -> bool:
    return last_use is None or last_use <= now - USE_NOTED_EVERY
