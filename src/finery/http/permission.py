"""Who asks, and whether they may."""

import ipaddress
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from finery.contracts.permissions import LOCAL_ADMINISTRATOR, NOBODY, Permission, Principal
from finery.domain.errors import DomainError, ErrorKind

__all__ = ["Allow", "CurrentUser", "Permission", "current_user", "is_loopback"]


class LoopbackOnly(DomainError):
    kind = ErrorKind.FORBIDDEN
    code = "loopback_only"

    def __init__(self) -> None:
        super().__init__("this server has no accounts yet and answers on its own machine only")


class PermissionMissing(DomainError):
    kind = ErrorKind.FORBIDDEN
    code = "permission_missing"

    def __init__(self, permission: Permission) -> None:
        super().__init__(f"this needs the permission {permission!r}")


async def current_user(connection: HTTPConnection) -> Principal:
    """Until accounts exist, a person on this machine is its administrator. The socket decides, never a header."""
    client = connection.client
    return LOCAL_ADMINISTRATOR if client is not None and is_loopback(client.host) else NOBODY


def is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


CurrentUser = Annotated[Principal, Depends(current_user)]


@dataclass(frozen=True)
class Allow:
    """A dependency that lets those pass who hold `permission`: `dependencies=[Depends(Allow(...))]`."""

    permission: Permission

    async def __call__(self, user: CurrentUser) -> Principal:
        if user.may(self.permission):
            return user
        raise LoopbackOnly() if user == NOBODY else PermissionMissing(self.permission)
