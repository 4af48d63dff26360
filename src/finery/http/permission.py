"""Whether who asks may."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import Depends, Security
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPBearer
from starlette.requests import HTTPConnection

from finery.contracts.permissions import NOBODY, Permission, Principal
from finery.domain.errors import DomainError, ErrorKind
from finery.http.identity import SESSION_COOKIE, CurrentUser, current_user, is_loopback
from finery.http.services import current_services

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


BEARER = HTTPBearer(scheme_name="bearer", description="An API key", auto_error=False)
KEY_HEADER = APIKeyHeader(name="X-API-Key", scheme_name="x-api-key", description="An API key", auto_error=False)
COOKIE = APIKeyCookie(
    name=SESSION_COOKIE, scheme_name="session", description="The session that a login opened", auto_error=False
)


async def documented_ways_in(
    _bearer: Annotated[object, Security(BEARER)],
    _header: Annotated[object, Security(KEY_HEADER)],
    _cookie: Annotated[object, Security(COOKIE)],
) -> None:
    """Tells the API's documentation that one of these is needed. `current_user` looks at them itself."""


@dataclass(frozen=True)
class Allow:
    """A dependency that lets those pass who hold `permission`: `dependencies=[Depends(Allow(...))]`."""

    permission: Permission

    async def __call__(self, user: CurrentUser, _: Annotated[None, Depends(documented_ways_in)]) -> Principal:
        return self._checked(user)

    async def admit(self, connection: HTTPConnection) -> None:
        """The same, where nothing of the body is to be read before."""
        self._checked(await current_user(connection, await current_services(connection)))

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
