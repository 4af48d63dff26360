"""HTTP routes of `/api/v1/secrets` and `/api/v1/server-secrets`. No answer holds a value."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from finery.api.native.account_schemas import SecretList, SetSecretRequest
from finery.api.native.dialect import ERRORS, PREFIX, NativeRoute
from finery.contracts.accounts import SecretInfo
from finery.domain import secrets
from finery.http.identity import CurrentUser
from finery.http.permission import Allow, Permission
from finery.http.services import CurrentContext
from finery.http.session import ReadSession, WriteSession

OWN = Depends(Allow(Permission.SECRETS_WRITE))
SERVER_WIDE = Depends(Allow(Permission.SECRETS_ALL))

SecretName = Annotated[str, Path(min_length=1, max_length=128)]

router = APIRouter(prefix=PREFIX, route_class=NativeRoute, tags=["secrets"], responses=ERRORS)


@router.get("/secrets", dependencies=[OWN])
def list_secrets(session: ReadSession, user: CurrentUser) -> SecretList:
    """Lists the secrets that the caller's runs may use: the caller's own, and the server's, which have no owner."""
    return SecretList(secrets=secrets.list_names(session, owner_id=user.user_id))


@router.put("/secrets/{name}", dependencies=[OWN])
def set_secret(
    name: SecretName, body: SetSecretRequest, session: WriteSession, user: CurrentUser, context: CurrentContext
) -> SecretInfo:
    """Stores a secret for the caller's own runs. While no account exists it is the server's."""
    return secrets.put(session, context.secrets, name, body.value, owner_id=user.user_id)


@router.delete("/secrets/{name}", dependencies=[OWN], status_code=204)
def delete_secret(name: SecretName, session: WriteSession, user: CurrentUser) -> None:
    secrets.delete(session, name, owner_id=user.user_id)


@router.put("/server-secrets/{name}", dependencies=[SERVER_WIDE])
def set_server_secret(
    name: SecretName, body: SetSecretRequest, session: WriteSession, context: CurrentContext
) -> SecretInfo:
    """Stores a secret that everybody's runs may use."""
    return secrets.put(session, context.secrets, name, body.value, owner_id=None)


@router.delete("/server-secrets/{name}", dependencies=[SERVER_WIDE], status_code=204)
def delete_server_secret(name: SecretName, session: WriteSession) -> None:
    secrets.delete(session, name, owner_id=None)
