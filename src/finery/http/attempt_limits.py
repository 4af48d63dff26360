"""A dependency that limits how often an address may use a route without login."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from finery.http.addresses import client_address
from finery.http.rate_limits import RateLimit
from finery.http.services import current_services


@dataclass(frozen=True)
class AttemptLimit:
    """Answers 429 to an address that asks too often: `dependencies=[Depends(AttemptLimit(LOGINS))]`."""

    limit: RateLimit

    async def __call__(self) -> None:
        """Does nothing: `admit` has counted the attempt."""

    async def admit(self, connection: HTTPConnection) -> None:
        """Count the attempt, before its body is read, which may be malformed. Raises RequestRefused."""
        services = await current_services(connection)
        services.rate_limits.check(self.limit, client_address(connection, services.proxies))
