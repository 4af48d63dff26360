"""Maps the studio dialect's request bodies to accounts, and accounts to its response bodies."""

from collections.abc import Collection

from finery.api.studio.schemas import FirstAdminRequest, KeyInfo, NewStudioUser, StudioUser, StudioUserChanges
from finery.contracts.accounts import ApiKey, NewUser, User, UserChanges
from finery.contracts.permissions import Permission, permissions_of
from finery.domain import accounts


def to_new_admin(request: FirstAdminRequest) -> NewUser:
    return NewUser(email=request.email, username=request.username, display_name=request.display_name)


def to_new_user(request: NewStudioUser) -> NewUser:
    fields = request.model_dump(include={"email", "username", "password", "display_name"})
    levels = accounts.with_admin_level(request.level_names, is_admin=request.is_admin or None)
    return NewUser(**fields, levels=levels)


def to_changes(request: StudioUserChanges) -> UserChanges:
    """Returns all changes but `is_admin`, whose meaning depends on the levels that the user has at that moment."""
    fields = request.model_dump(exclude_unset=True, exclude={"is_admin", "level_names"})
    return UserChanges(**fields) if request.level_names is None else UserChanges(**fields, levels=request.level_names)


def to_user(user: User, permissions: Collection[Permission] | None = None) -> StudioUser:
    """Shows `permissions` of the caller's key, which may do less than its user, or else those of the user's levels."""
    return StudioUser(
        id=user.id,
        email=user.email,
        username=user.username,
        display_name=user.display_name,
        is_admin=user.is_admin,
        is_active=user.is_active,
        level_names=user.levels,
        permissions=sorted(permissions_of(user.levels) if permissions is None else permissions),
        created_at=user.created_at,
        last_login_at=user.last_login_at,
    )


def to_key_info(key: ApiKey) -> KeyInfo:
    return KeyInfo(**key.model_dump(exclude={"prefix", "revoked_at"}), key_prefix=key.prefix)
