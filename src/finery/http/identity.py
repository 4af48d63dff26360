"""Finds a request's user by its API key or session; until accounts exist, by whether it is from this machine."""

import ipaddress
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import anyio
from fastapi import Depends
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from finery.contracts.permissions import ANONYMOUS, LOCAL_ADMINISTRATOR, Principal
from finery.domain import accounts
from finery.domain.accounts import Authenticated
from finery.domain.accounts.errors import SetupNeeded
from finery.domain.accounts.tokens import hash_token
from finery.domain.errors import DomainError, ErrorKind
from finery.http.addresses import was_forwarded
from finery.http.guard import is_local_host
from finery.http.services import Services, current_services
from finery.kit.translatable import Translatable

log = logging.getLogger(__name__)

SESSION_COOKIE = "finery_session"
ACTOR = "finery.asked_by"


class LoginNeeded(DomainError):
    kind = ErrorKind.UNAUTHENTICATED
    code = "login_needed"

    def __init__(self) -> None:
        super().__init__(Translatable("log in, or send an API key in the header Authorization: Bearer KEY"))


class CredentialsDiffer(DomainError):
    kind = ErrorKind.UNAUTHENTICATED
    code = "credentials_differ"

    def __init__(self) -> None:
        super().__init__(Translatable("the headers Authorization and X-API-Key hold different keys; send one"))


@dataclass(frozen=True)
class Credential:
    secret: str
    authenticate: Callable[[Session, str], Authenticated]


async def current_user(connection: HTTPConnection) -> Principal:
    """Returns the user, looked up once for each request. Raises LoginNeeded, CredentialsDiffer, KeyRefused,
    SessionEnded."""
    found: Principal | None = connection.scope.get(ACTOR)
    if found is None:
        connection.state.user = ANONYMOUS
        found = await _principal(connection, await current_services(connection))
        connection.state.user = connection.scope[ACTOR] = found
    return found


async def look_up_user(connection: HTTPConnection) -> Principal:
    """Returns the user anew, for an answer that goes on for long; that is no use of a session that would extend it.
    Raises what `current_user` raises."""
    services = await current_services(connection)
    if not await _are_there_accounts(services):
        return LOCAL_ADMINISTRATOR if is_from_this_machine(connection) else ANONYMOUS
    return (await _authenticate(credential_of(connection), services)).principal


CurrentUser = Annotated[Principal, Depends(current_user)]


def credential_of(connection: HTTPConnection) -> Credential:
    """Returns the key of a header or else the session's cookie. Raises LoginNeeded, CredentialsDiffer."""
    keys = {key for key in (_bearer(connection), connection.headers.get("x-api-key")) if key is not None}
    if len(keys) > 1:
        raise CredentialsDiffer()
    if keys:
        return Credential(keys.pop().strip(), accounts.authenticate_key)
    token = session_token(connection)
    if token is None:
        raise LoginNeeded()
    return Credential(token, accounts.authenticate_session)


def account_of(user: Principal) -> str:
    """Returns the id of the user's account. Raises SetupNeeded while there are no accounts."""
    if user.user_id is None:
        raise SetupNeeded()
    return user.user_id


def session_token(connection: HTTPConnection) -> str | None:
    return connection.cookies.get(SESSION_COOKIE)


def is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def is_from_this_machine(connection: HTTPConnection) -> bool:
    """Returns whether the request came over loopback, by no proxy, and to a name of this machine."""
    client = connection.client
    if client is None or not is_loopback(client.host) or was_forwarded(connection):
        return False
    return is_local_host(connection.headers.get("host", ""))


async def _principal(connection: HTTPConnection, services: Services) -> Principal:
    if not await _are_there_accounts(services):
        return LOCAL_ADMINISTRATOR if is_from_this_machine(connection) else ANONYMOUS
    authenticated = await _authenticate(credential_of(connection), services)
    if authenticated.is_stale:
        await anyio.to_thread.run_sync(_record_use, services, authenticated)
    return authenticated.principal


async def _authenticate(credential: Credential, services: Services) -> Authenticated:
    callers, key = services.cache.callers, (hash_token(credential.secret), credential.authenticate)
    known = callers.find(key)
    if known is not None and known.has_ended():
        callers.forget(key)
    return await callers.get_or_read(key, partial(_look_up, services, credential))


async def _are_there_accounts(services: Services) -> bool:
    return await services.cache.has_accounts.get_or_read(None, partial(_has_accounts, services))


def _has_accounts(services: Services) -> bool:
    with services.database.read() as session:
        return accounts.has_accounts(session)


def _look_up(services: Services, credential: Credential) -> Authenticated:
    with services.database.read() as session:
        return credential.authenticate(session, credential.secret)


def _bearer(connection: HTTPConnection) -> str | None:
    value = connection.headers.get("authorization")
    if value is None:
        return None
    scheme, _, key = value.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise LoginNeeded()
    return key


def _record_use(services: Services, authenticated: Authenticated) -> None:
    # No request fails for it; the next one records it.
    try:
        with services.database.write() as session:
            accounts.record_use(session, authenticated)
    except SQLAlchemyError as error:
        log.warning("the use of a key or session could not be noted: %s", error)
