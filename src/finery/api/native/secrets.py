"""Tokens for hubs, trackers and webhooks: set and listed by name. No answer holds a value."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from finery.api.native.account_schemas import SecretList, SetSecretRequest
from finery.api.native.dialect import ERRORS, PREFIX, NativeRoute
from finery.contracts.accounts import SecretInfo
from finery.domain import secrets
from finery.http.identity import CurrentUser
from finery.http.permission import Allow, Permission
from finery.http.services import CurrentGround
from finery.http.session import ReadSession, WriteSession

OWN = Depends(Allow(Permission.SECRETS_WRITE))
SERVERS = Depends(Allow(Permission.SECRETS_ALL))

SecretName = Annotated[str, Path(min_length=1, max_length=128)]

router = APIRouter(prefix=PREFIX, route_class=NativeRoute, tags=["secrets"], responses=ERRORS)


@router.get("/secrets", dependencies=[OWN])
def list_secrets(session: ReadSession, user: CurrentUser) -> SecretList:
    """Those that one's own runs may use: one's own, and the server's, which have no owner."""
    return SecretList(secrets=secrets.list_names(session, owner_id=user.user_id))


@router.put("/secrets/{name}", dependencies=[OWN])
def set_secret(
    name: SecretName, body: SetSecretRequest, session: WriteSession, user: CurrentUser, context: CurrentGround
) -> SecretInfo:
    """One's own, for one's own runs. While no account exists it is the server's."""
    return secrets.put(session, context.secrets, name, body.value, owner_id=user.user_id)


@router.delete("/secrets/{name}", dependencies=[OWN], status_code=204)
def delete_secret(name: SecretName, session: WriteSession, user: CurrentUser) -> None:
    secrets.delete(session, name, owner_id=user.user_id)


@router.put("/server-secrets/{name}", dependencies=[SERVERS])
def set_server_secret(
    name: SecretName, body: SetSecretRequest, session: WriteSession, context: CurrentGround
) -> SecretInfo:
    """The server's, which every run may use, whoever's it is."""
    return secrets.put(session, context.secrets, name, body.value, owner_id=None)


@router.delete("/server-secrets/{name}", dependencies=[SERVERS], status_code=204)
def delete_server_secret(name: SecretName, session: WriteSession) -> None:
    secrets.delete(session, name, owner_id=None)
