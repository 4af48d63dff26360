"""HTTP routes of `/api/users`: create, list, change and delete users."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from finery.api.studio.dialect import ERRORS, StudioRoute, UserId
from finery.api.studio.mapping import to_changes, to_new_user, to_user
from finery.api.studio.schemas import Done, NewStudioUser, StudioUser, StudioUserChanges
from finery.domain import accounts
from finery.http.permission import Allow, Permission
from finery.http.session import ReadSession, WriteSession

READ = Depends(Allow(Permission.USERS_READ))
WRITE = Depends(Allow(Permission.USERS_WRITE))

Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0, le=2**31 - 1)]

router = APIRouter(prefix="/api/users", route_class=StudioRoute, tags=["studio: users"], responses=ERRORS)


@router.post("", dependencies=[WRITE], status_code=201)
def create_user(body: NewStudioUser, session: WriteSession) -> StudioUser:
    return to_user(accounts.create_user(session, to_new_user(body)))


@router.get("", dependencies=[READ])
def list_users(session: ReadSession, limit: Limit = 500, offset: Offset = 0) -> list[StudioUser]:
    return [to_user(user) for user in accounts.list_users(session, limit=limit, offset=offset)]


@router.get("/{user_id}", dependencies=[READ])
def get_user(user_id: UserId, session: ReadSession) -> StudioUser:
    return to_user(accounts.get_user(session, user_id))


@router.patch("/{user_id}", dependencies=[WRITE])
def update_user(user_id: UserId, body: StudioUserChanges, session: WriteSession) -> StudioUser:
    """Changes what is sent; `is_admin` alone leaves the other levels as they are. A new password and
    `is_active: false` end the user's sessions, and revoke their keys."""
    return to_user(accounts.update_user(session, user_id, to_changes(body), is_admin=body.is_admin))


@router.delete("/{user_id}", dependencies=[WRITE])
def delete_user(user_id: UserId, session: WriteSession) -> Done:
    """Deletes a user with their sessions, keys and secrets; their jobs stay, and have no owner then."""
    accounts.delete_user(session, user_id)
    return Done(message="The user is deleted.")
