"""Writes the audit log: changes in the transactions that make them, denials in one of their own."""

import logging

import anyio
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from finery.contracts.accounts import AuditResult
from finery.contracts.permissions import ANONYMOUS, Principal
from finery.domain import audit
from finery.domain.accounts.errors import LoginRefused, WrongPassword
from finery.domain.errors import DomainError, ErrorKind
from finery.http.addresses import client_address
from finery.http.rate_limits import DENIALS
from finery.http.services import Services

log = logging.getLogger(__name__)

DENIED = frozenset({ErrorKind.UNAUTHENTICATED, ErrorKind.FORBIDDEN})


def audit_change(session: Session, connection: HTTPConnection, services: Services, actor: Principal) -> None:
    """Record a change. The action is the route's name; the target is what the domain names, or else the path's ids."""
    audit.record(
        session,
        action_of(connection),
        actor=actor,
        address=client_address(connection, services.proxies),
        target=audit.target_of(session) or _named_in_path(connection),
        details={"path": connection.scope["path"], **audit.named_details(session)},
    )


async def audit_denial(connection: HTTPConnection, services: Services, error: DomainError) -> None:
    """Record a denial. Requests without a right may come without end, so that each address has a limit per minute.

    Refused logins are recorded where they are tried, without that limit: other denials cannot hide them.
    """
    is_denial = error.kind in DENIED or isinstance(error, WrongPassword)
    if not is_denial or isinstance(error, LoginRefused):
        return
    address = client_address(connection, services.proxies)
    if services.rate_limits.is_within(DENIALS, address):
        await anyio.to_thread.run_sync(_record_denial, connection, services, error, address)


def action_of(connection: HTTPConnection) -> str:
    return str(connection.scope["route"].name) if "route" in connection.scope else "unknown"


def user_of(connection: HTTPConnection) -> Principal:
    """The principal, once the request is authenticated."""
    state = connection.scope.get("state", {})
    found: Principal = state.get("user", ANONYMOUS)
    return found


def _record_denial(connection: HTTPConnection, services: Services, error: DomainError, address: str | None) -> None:
    try:
        with services.database.write() as session:
            audit.record(
                session,
                action_of(connection),
                actor=user_of(connection),
                address=address,
                target=_named_in_path(connection),
                result=AuditResult.DENIED,
                details={"path": connection.scope["path"], "code": error.code},
            )
    except SQLAlchemyError as failure:
        log.warning("a denial could not be recorded: %s", failure)


def _named_in_path(connection: HTTPConnection) -> str | None:
    return "/".join(str(value) for value in connection.path_params.values()) or None
