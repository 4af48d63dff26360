"""HTTP routes of `/api/v1/users`, and of the keys of each user, for administrators."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from finery.api.native.account_schemas import KeyList, UserList
from finery.api.native.dialect import ERRORS, PREFIX, KeyId, NativeRoute, UserId
from finery.contracts.accounts import ApiKey, NewUser, User, UserChanges
from finery.domain import accounts
from finery.http.permission import Allow, Permission
from finery.http.session import ReadSession, WriteSession

READ = Depends(Allow(Permission.USERS_READ))
WRITE = Depends(Allow(Permission.USERS_WRITE))

Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0, le=2**31 - 1)]

router = APIRouter(prefix=f"{PREFIX}/users", route_class=NativeRoute, tags=["users"], responses=ERRORS)


@router.post("", dependencies=[WRITE], status_code=201)
def create_user(body: NewUser, session: WriteSession) -> User:
    """Creates a user, who cannot log in without a password."""
    return accounts.create_user(session, body)


@router.get("", dependencies=[READ])
def list_users(session: ReadSession, limit: Limit = 500, offset: Offset = 0) -> UserList:
    """Lists the users, ordered by user name."""
    return UserList(users=accounts.list_users(session, limit=limit, offset=offset))


@router.get("/{user_id}", dependencies=[READ])
def get_user(user_id: UserId, session: ReadSession) -> User:
    return accounts.get_user(session, user_id)


@router.patch("/{user_id}", dependencies=[WRITE])
def update_user(user_id: UserId, body: UserChanges, session: WriteSession) -> User:
    """Changes what is sent. A new password and `is_active: false` end the user's sessions, and revoke their keys."""
    return accounts.update_user(session, user_id, body)


@router.delete("/{user_id}", dependencies=[WRITE], status_code=204)
def delete_user(user_id: UserId, session: WriteSession) -> None:
    """Deletes a user with their sessions, keys and secrets. Their runs and deployments stay and go on; they have no
    owner then, and are seen by those who see everyone's."""
    accounts.delete_user(session, user_id)


@router.get("/{user_id}/keys", summary="List a User's Keys", dependencies=[READ])
def list_users_keys(user_id: UserId, session: ReadSession) -> KeyList:
    """Lists a user's keys, newest first, revoked ones too."""
    return KeyList(keys=accounts.list_keys_of(session, user_id))


@router.delete("/{user_id}/keys/{key_id}", summary="Revoke a User's Key", dependencies=[WRITE])
def revoke_users_key(user_id: UserId, key_id: KeyId, session: WriteSession) -> ApiKey:
    """Revokes a user's key for ever. What was begun with it goes on."""
    return accounts.revoke_key_of(session, user_id, key_id)
