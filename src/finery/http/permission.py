"""Whether who asks may."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fastapi.dependencies.models import Dependant
from starlette.requests import HTTPConnection

from finery.contracts.permissions import NOBODY, Permission, Principal
from finery.domain.errors import DomainError, ErrorKind
from finery.http.identity import SESSION_COOKIE, CurrentUser, current_user, is_loopback

__all__ = ["Allow", "AllowEveryone", "CurrentUser", "Permission", "current_user", "is_loopback"]


class LoopbackOnly(DomainError):
    kind = ErrorKind.FORBIDDEN
    code = "loopback_only"

    def __init__(self) -> None:
        super().__init__("this server has no accounts yet and answers on its own machine only")


class PermissionMissing(DomainError):
    kind = ErrorKind.FORBIDDEN
    code = "permission_missing"

    def __init__(self, permission: Permission) -> None:
        super().__init__(f"this needs the permission '{permission}'")


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
"""As the API's document tells them. Not by FastAPI's classes: it would look at each of them anew for every route."""


def needs_login(dependant: Dependant) -> bool:
    return any(isinstance(found.call, Allow) or needs_login(found) for found in dependant.dependencies)


@dataclass(frozen=True)
class Allow:
    """A dependency that lets those pass who hold `permission`: `dependencies=[Depends(Allow(...))]`."""

    permission: Permission

    async def __call__(self, user: CurrentUser) -> Principal:
        return self._checked(user)

    async def admit(self, connection: HTTPConnection) -> None:
        """The same, where nothing of the body is to be read before."""
        self._checked(await current_user(connection))

    def _checked(self, user: Principal) -> Principal:
        if user.may(self.permission):
            return user
        raise LoopbackOnly() if user == NOBODY else PermissionMissing(self.permission)


@dataclass(frozen=True)
class AllowEveryone:
    """For the few routes that need no login. Nobody is looked up: these answer also while the database does not."""

    permission: ClassVar[Permission] = Permission.PUBLIC

    async def __call__(self) -> None:
        return None
