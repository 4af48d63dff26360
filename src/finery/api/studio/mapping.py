"""Between the studio dialect's wire types and the core's."""

from collections.abc import Collection

from finery.api.studio.schemas import FirstAdminRequest, KeyInfo, NewStudioUser, StudioUser, StudioUserChanges
from finery.contracts.accounts import ApiKey, NewUser, User, UserChanges
from finery.contracts.permissions import Level, Permission, permissions_of


def to_new_admin(request: FirstAdminRequest) -> NewUser:
    return NewUser(email=request.email, username=request.username, display_name=request.display_name)


def to_new_user(request: NewStudioUser) -> NewUser:
    fields = request.model_dump(include={"email", "username", "password", "display_name"})
    return NewUser(**fields, levels=_levels(request.level_names, is_admin=request.is_admin or None))


def to_changes(request: StudioUserChanges, user: User) -> UserChanges:
    """`is_admin` alone leaves the user's other levels as they are."""
    fields = request.model_dump(exclude_unset=True, exclude={"is_admin", "level_names"})
    if request.is_admin is not None or request.level_names is not None:
        levels = user.levels if request.level_names is None else request.level_names
        fields["levels"] = _levels(levels, is_admin=request.is_admin)
    return UserChanges(**fields)


def to_user(user: User, permissions: Collection[Permission] | None = None) -> StudioUser:
    """`permissions`: of the key that asks, where it may do less than its user."""
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


def _levels(levels: Collection[Level], *, is_admin: bool | None) -> list[Level]:
    """What `is_admin` says goes before what the levels do; who was nothing but an administrator can still work."""
    if is_admin is None:
        return list(levels)
    others: list[Level] = [level for level in levels if level is not Level.ADMIN]
    return [*others, Level.ADMIN] if is_admin else others or [Level.RESEARCHER]
