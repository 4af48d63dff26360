"""The cookie of a session that is over. Aligned word for word with the other dialect's, which it may not import."""

from dataclasses import dataclass, replace

import anyio
from starlette.requests import HTTPConnection
from starlette.responses import Response

from finery.domain import accounts
from finery.domain.accounts.errors import SessionEnded
from finery.http.auditing import note_denial
from finery.http.identity import SESSION_COOKIE, session_token
from finery.http.logins import Entrance
from finery.http.permission import Allow
from finery.http.problems import RequestRefused, domain_problem
from finery.http.services import current_services
from finery.http.session import transact


@dataclass(frozen=True)
class AllowLeaving(Allow):
    """Whoever comes with a session that has ended is refused like anywhere else, and rid of its cookie."""

    async def admit(self, connection: HTTPConnection) -> None:
        try:
            await super().admit(connection)
        except SessionEnded as error:
            await note_denial(connection, await current_services(connection), error)
            problem = domain_problem(error, {})
            headers = {**problem.headers, "Set-Cookie": _forgotten_cookie()}
            raise RequestRefused(replace(problem, headers=headers)) from error


async def end_replaced_session(entrance: Entrance) -> None:
    """The one that the browser still sent: once the login has replaced its cookie, nobody could log out of it."""
    token = session_token(entrance.connection)
    if token is not None:
        await anyio.to_thread.run_sync(
            transact, entrance.services, lambda session: accounts.close_session(session, token)
        )


def _forgotten_cookie() -> str:
    response = Response()
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
    return response.headers["set-cookie"]
