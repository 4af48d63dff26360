"""How often an address may try what needs no login."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from finery.http.addresses import client_address
from finery.http.rate_limits import RateLimit
from finery.http.services import current_services


@dataclass(frozen=True)
class AttemptLimit:
    """A dependency that answers 429 to one that asks too often: `dependencies=[Depends(AttemptLimit(LOGINS))]`."""

    limit: RateLimit

    async def __call__(self) -> None:
        """Nothing: by then it has been counted."""

    async def admit(self, connection: HTTPConnection) -> None:
        """Counts the attempt before anything of its body is read: also a body that cannot be read is one.

        Raises RequestRefused.
        """
        services = await current_services(connection)
        services.rate_limits.check(self.limit, client_address(connection, services.proxies))
