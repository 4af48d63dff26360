"""Logging out with a session that is over already."""

from dataclasses import dataclass, replace

from starlette.requests import HTTPConnection
from starlette.responses import Response

from finery.domain.accounts.errors import SessionEnded
from finery.http.auditing import audit_denial
from finery.http.identity import SESSION_COOKIE
from finery.http.permission import Allow
from finery.http.problems import RequestRefused, domain_problem
from finery.http.services import current_services


@dataclass(frozen=True)
class AllowLogout(Allow):
    """Whoever comes with a session that has ended is refused like anywhere else, and rid of its cookie."""

    async def admit(self, connection: HTTPConnection) -> None:
        try:
            await super().admit(connection)
        except SessionEnded as error:
            await audit_denial(connection, await current_services(connection), error)
            problem = domain_problem(error, {})
            headers = {**problem.headers, "Set-Cookie": _forgotten_cookie()}
            raise RequestRefused(replace(problem, headers=headers)) from error


def _forgotten_cookie() -> str:
    response = Response()
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
    return response.headers["set-cookie"]
