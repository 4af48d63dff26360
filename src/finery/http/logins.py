"""Login, logout and the setup of the first administrator, for the routes of every dialect.

Passwords are checked in a few threads of their own, so that many logins at once take neither the memory nor the threads
that other requests need.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

import anyio
from anyio.lowlevel import RunVar
from fastapi import Depends
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection
from starlette.responses import Response

from finery.contracts.accounts import AuditResult, NewSession, NewUser, User
from finery.contracts.permissions import ANONYMOUS, Principal
from finery.domain import accounts, audit
from finery.domain.accounts.errors import LoginRefused, SessionEnded, SetupDone, SetupNeeded
from finery.domain.accounts.logins import REMEMBERED
from finery.domain.errors import DomainError, ErrorKind
from finery.http.addresses import client_address, is_secure
from finery.http.auditing import audit_denial
from finery.http.identity import SESSION_COOKIE, is_from_this_machine, session_token
from finery.http.permission import Allow
from finery.http.problems import RequestRefused, domain_problem
from finery.http.services import CurrentServices, Services, current_services
from finery.http.session import transaction

PASSWORDS_AT_ONCE = 4

Result = TypeVar("Result")


class SetupOnThisMachineOnly(DomainError):
    kind = ErrorKind.FORBIDDEN
    code = "setup_on_this_machine_only"

    def __init__(self) -> None:
        super().__init__(
            "the first administrator is created on the server's own machine; to do it over the network, "
            "start the server with FINERY_REMOTE_SETUP=true and send the setup_token that it shows"
        )


class SetupTokenWrong(DomainError):
    kind = ErrorKind.FORBIDDEN
    code = "setup_token_wrong"

    def __init__(self) -> None:
        super().__init__("setup_token is missing or wrong; the server showed it when it started")


@dataclass(frozen=True)
class AllowLogout(Allow):
    """Refuses a request whose session has ended, as other routes do, and removes its cookie besides."""

    async def admit(self, connection: HTTPConnection) -> None:
        try:
            await super().admit(connection)
        except SessionEnded as error:
            await audit_denial(connection, await current_services(connection), error)
            response = Response()
            response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
            problem = domain_problem(error, {})
            headers = {**problem.headers, "Set-Cookie": response.headers["set-cookie"]}
            raise RequestRefused(replace(problem, headers=headers)) from error


@dataclass(frozen=True)
class LoginService:
    """Logs a request in or out, with the session's cookie on its response."""

    connection: HTTPConnection
    response: Response
    services: Services

    async def log_in(self, login: str, password: str, *, remember: bool) -> NewSession:
        """Raises LoginRefused, SetupNeeded."""
        opened = await _in_password_thread(lambda: self._check_and_open(login, password, remember))
        # Each use puts the session's end off, but sends no new cookie: the cookie lasts as long as a session ever may.
        longest = int(REMEMBERED.total.total_seconds()) if remember else None
        self.response.set_cookie(
            SESSION_COOKIE, opened.token, max_age=longest, secure=self._is_secure, httponly=True, samesite="lax"
        )
        return opened

    async def set_up(self, new: NewUser, password: str, setup_token: str | None) -> NewSession:
        """Create the first administrator, and log in.

        Raises SetupDone, SetupOnThisMachineOnly, SetupTokenWrong, InvalidAccount.
        """
        admin = new.model_copy(update={"password": password})
        await _in_password_thread(lambda: self._create_first_admin(admin, setup_token))
        return await self.log_in(new.username, password, remember=False)

    def log_out(self, session: Session) -> None:
        """End the cookie's session. A request with a key alone has none."""
        token = session_token(self.connection)
        if token is not None:
            accounts.close_session(session, token)
            self.response.delete_cookie(SESSION_COOKIE, secure=self._is_secure, httponly=True, samesite="lax")

    @property
    def _address(self) -> str | None:
        return client_address(self.connection, self.services.proxies)

    @property
    def _is_secure(self) -> bool:
        return is_secure(self.connection, self.services.proxies)

    def _check_and_open(self, login: str, password: str, remember: bool) -> NewSession:
        try:
            with self.services.database.read() as session:
                if not accounts.has_accounts(session):
                    raise SetupNeeded()
                checked = accounts.check_login(session, login, password)
            with transaction(self.services) as session:
                opened = accounts.open_session(session, checked, remember=remember, address=self._address)
                replaced = session_token(self.connection)
                if replaced is not None:
                    # Its cookie is about to be replaced, and nobody could log out of it then.
                    accounts.close_session(session, replaced)
                self._record(session, "login", opened.user)
        except LoginRefused:
            self._record_failure(login)
            raise
        return opened

    def _create_first_admin(self, admin: NewUser, setup_token: str | None) -> None:
        with self.services.database.read() as session:
            if accounts.has_accounts(session):
                raise SetupDone()
        wanted = self.services.setup_token()
        if wanted is None:
            if not is_from_this_machine(self.connection):
                raise SetupOnThisMachineOnly()
        elif not hmac.compare_digest(_bytes_of(setup_token or ""), _bytes_of(wanted)):
            raise SetupTokenWrong()
        with transaction(self.services) as session:
            self._record(session, "setup", accounts.create_first_admin(session, admin))

    def _record(self, session: Session, action: str, user: User) -> None:
        actor = Principal(user.id, user.username, frozenset())
        audit.record(session, action, actor=actor, address=self._address, target=user.id, details=self._details)

    def _record_failure(self, login: str) -> None:
        with self.services.database.write() as session:
            audit.record(
                session,
                "login",
                actor=ANONYMOUS,
                address=self._address,
                result=AuditResult.FAILED,
                details={**self._details, "login": accounts.tried_name(login)},
            )

    @property
    def _details(self) -> dict[str, str]:
        return {"path": self.connection.scope["path"]}


async def login_service(connection: HTTPConnection, response: Response, services: CurrentServices) -> LoginService:
    return LoginService(connection, response, services)


CurrentLoginService = Annotated[LoginService, Depends(login_service)]

_slots = RunVar[anyio.CapacityLimiter]("password_slots")


async def _in_password_thread(work: Callable[[], Result]) -> Result:
    try:
        slots = _slots.get()
    except LookupError:
        slots = anyio.CapacityLimiter(PASSWORDS_AT_ONCE)
        _slots.set(slots)
    return await anyio.to_thread.run_sync(work, limiter=slots)


def _bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
