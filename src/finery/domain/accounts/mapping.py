"""Maps rows of users and API keys to contracts."""

from datetime import datetime

from finery.contracts.accounts import ApiKey, User
from finery.contracts.permissions import Level, Permission
from finery.models import ApiKeyRow, UserRow


def user_of(row: UserRow) -> User:
    return User(
        id=row.id,
        email=row.email,
        username=row.username,
        display_name=row.display_name,
        levels=[Level(level) for level in row.levels],
        is_active=row.is_active,
        has_password=row.password_hash is not None,
        created_at=row.created_at,
        updated_at=row.updated_at,
        last_login_at=row.last_login_at,
    )


def key_of(row: ApiKeyRow, *, now: datetime) -> ApiKey:
    scopes = row.scoped_permissions
    return ApiKey(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        scoped_permissions=None if scopes is None else [Permission(scope) for scope in scopes],
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        is_active=row.revoked_at is None and (row.expires_at is None or row.expires_at > now),
    )
