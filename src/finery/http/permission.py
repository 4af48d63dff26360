"""Dependencies that check the permission of a route's user."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fastapi.dependencies.models import Dependant
from starlette.requests import HTTPConnection

from finery.contracts.permissions import ANONYMOUS, Permission, Principal, how_to_get
from finery.domain.errors import DomainError, ErrorKind
from finery.http.identity import SESSION_COOKIE, CurrentUser, current_user, is_loopback
from finery.kit.translatable import Translatable

__all__ = ["Allow", "AllowEveryone", "CurrentUser", "Permission", "current_user", "is_loopback"]


class LoopbackOnly(DomainError):
    kind = ErrorKind.FORBIDDEN
    code = "loopback_only"

    def __init__(self) -> None:
        super().__init__(Translatable("this server has no accounts yet and answers on its own machine only"))


class PermissionMissing(DomainError):
    kind = ErrorKind.FORBIDDEN
    code = "permission_missing"

    def __init__(self, permission: Permission, *, is_scoped: bool) -> None:
        """`is_scoped`: the user came with a key that may do less than they may."""
        remedy = how_to_get(permission)
        if is_scoped:
            super().__init__(
                Translatable(
                    "your API key lacks the permission '{permission}': use one whose scopes name it; if you lack "
                    "it yourself, {remedy}",
                    permission=permission,
                    remedy=remedy,
                )
            )
        else:
            super().__init__(
                Translatable("you lack the permission '{permission}': {remedy}", permission=permission, remedy=remedy)
            )


SECURITY_SCHEMES: Mapping[str, Mapping[str, str]] = {
    "bearer": {"type": "http", "description": "An API key", "scheme": "bearer"},
    "x-api-key": {"type": "apiKey", "description": "An API key", "in": "header", "name": "X-API-Key"},
    "session": {
        "type": "apiKey",
        "description": "The session that a login opened",
        "in": "cookie",
        "name": SESSION_COOKIE,
    },
}
"""OpenAPI's security schemes. FastAPI's own classes would be analysed anew for every route."""


def needs_login(dependant: Dependant) -> bool:
    return any(isinstance(found.call, Allow) or needs_login(found) for found in dependant.dependencies)


@dataclass(frozen=True)
class Allow:
    """A dependency that refuses users without `permission`: `dependencies=[Depends(Allow(...))]`."""

    permission: Permission

    async def __call__(self, user: CurrentUser) -> Principal:
        return self._checked(user)

    async def admit(self, connection: HTTPConnection) -> None:
        """Check the same before anything of the body is read."""
        self._checked(await current_user(connection))

    def _checked(self, user: Principal) -> Principal:
        if user.may(self.permission):
            return user
        if user == ANONYMOUS:
            raise LoopbackOnly()
        raise PermissionMissing(self.permission, is_scoped=user.is_scoped)


@dataclass(frozen=True)
class AllowEveryone:
    """Marks the few routes that need no login. They look up no user, so that they answer without the database, too."""

    permission: ClassVar[Permission] = Permission.PUBLIC

    async def __call__(self) -> None:
        return None
