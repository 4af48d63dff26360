"""Authenticates requests by a session's token or an API key: one query, by an index, for each."""

from collections.abc import Sequence
from dataclasses import dataclass
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
"""The tables that decide who sends a request, and what they may do."""
USE_RECORDED_EVERY = timedelta(minutes=1)


class CredentialKind(Enum):
    SESSION = "session"
    KEY = "key"


@dataclass(frozen=True)
class Authenticated:
    principal: Principal
    kind: CredentialKind
    row_id: str
    """The primary key of the session or API key."""
    is_stale: bool
    """Its use was not recorded for a minute: call `record_use` in a session that writes."""
    expires_at: datetime | None

    def has_ended(self) -> bool:
        return self.expires_at is not None and self.expires_at <= utc_now()


def authenticate_session(session: Session, token: str) -> Authenticated:
    """Return who has the session. Raises SessionEnded."""
    query = (
        select(SessionRow.token_hash, SessionRow.expires_at, SessionRow.last_seen_at, *_USER)
        .join(UserRow, UserRow.id == SessionRow.user_id)
        .where(SessionRow.token_hash == hash_token(token))
    )
    row, now = session.execute(query).one_or_none(), utc_now()
    if row is None or row.expires_at <= now or not row.is_active:
        raise SessionEnded()
    principal = Principal(row.id, row.username, _permissions(row.levels))
    is_stale = _is_stale(row.last_seen_at, now)
    return Authenticated(principal, CredentialKind.SESSION, row.token_hash, is_stale, row.expires_at)


def authenticate_key(session: Session, key: str) -> Authenticated:
    """Return who has the API key, with what the user may do now and the key's scopes allow. Raises KeyRefused."""
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
    row, now = session.execute(query).one_or_none(), utc_now()
    if row is None or not row.is_active or row.revoked_at is not None:
        raise KeyRefused()
    if row.expires_at is not None and row.expires_at <= now:
        raise KeyRefused()
    allowed, scopes = _permissions(row.levels), row.scoped_permissions
    if scopes is not None:
        allowed = frozenset(permission for permission in allowed if permission in scopes)
    principal = Principal(row.id, row.username, allowed, is_scoped=scopes is not None, expires_at=row.expires_at)
    is_stale = _is_stale(row.last_used_at, now)
    return Authenticated(principal, CredentialKind.KEY, row.key_id, is_stale, row.expires_at)


def record_use(session: Session, authenticated: Authenticated) -> None:
    """Store when a credential was last used, and extend a session; of concurrent requests one writes."""
    now = utc_now()
    if authenticated.kind is CredentialKind.KEY:
        is_stale = or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at <= now - USE_RECORDED_EVERY)
        query = update(ApiKeyRow).where(ApiKeyRow.id == authenticated.row_id, is_stale)
        session.execute(query.values(last_used_at=now))
        return
    is_token = SessionRow.token_hash == authenticated.row_id
    stale = select(SessionRow).where(is_token, SessionRow.last_seen_at <= now - USE_RECORDED_EVERY)
    row = session.scalars(stale.with_for_update()).one_or_none()
    if row is not None:
        row.last_seen_at = now
        row.expires_at = expiry_of(row.created_at, now, remember=row.remember)


_USER = (UserRow.id, UserRow.username, UserRow.levels, UserRow.is_active)


def _permissions(levels: Sequence[str]) -> frozenset[Permission]:
    return permissions_of(Level(level) for level in levels)


def _is_stale(last_use: datetime | None, now: datetime) -> bool:
    return last_use is None or last_use <= now - USE_RECORDED_EVERY
