"""HTTP routes of set-up, login, the caller's account and API keys: `/api/v1/setup`, `/login`, `/me`, `/keys`."""

from fastapi import APIRouter, Depends, Request

from finery.api.native.account_schemas import (
    ChangePasswordRequest,
    CreatedKey,
    CreateKeyRequest,
    KeyList,
    LoggedIn,
    LoginRequest,
    Me,
    SetupRequest,
)
from finery.api.native.dialect import ERRORS, PREFIX, TOO_MANY, KeyId, NativeRoute
from finery.api.native.mapping import to_me, to_new_admin
from finery.contracts.accounts import ApiKey, SetupStatus, User
from finery.domain import accounts, audit
from finery.http.attempt_limits import AttemptLimit
from finery.http.identity import CurrentUser, account_of, session_token
from finery.http.logins import AllowLogout, CurrentLoginService
from finery.http.permission import Allow, AllowEveryone, Permission
from finery.http.rate_limits import LOGINS, PASSWORD_CHANGES, SETUPS
from finery.http.services import CurrentServices
from finery.http.session import ReadSession, WriteSession

EVERYONE = Depends(AllowEveryone())
SELF = Depends(Allow(Permission.ACCOUNT_SELF))
LOGOUT = Depends(AllowLogout(Permission.ACCOUNT_SELF))
KEYS = Depends(Allow(Permission.KEYS_SELF))

router = APIRouter(prefix=PREFIX, route_class=NativeRoute, tags=["accounts"], responses=ERRORS)


@router.get("/setup", dependencies=[EVERYONE])
def setup_status(session: ReadSession) -> SetupStatus:
    return accounts.setup_status(session)


@router.post("/setup", dependencies=[EVERYONE, Depends(AttemptLimit(SETUPS))], status_code=201, responses=TOO_MANY)
async def set_up(body: SetupRequest, login_service: CurrentLoginService) -> User:
    """Creates the first administrator, and logs them in. From then on every request needs a login or a key."""
    return (await login_service.set_up(to_new_admin(body), body.password, body.setup_token)).user


@router.post("/login", dependencies=[EVERYONE, Depends(AttemptLimit(LOGINS))], responses=TOO_MANY)
async def login(body: LoginRequest, login_service: CurrentLoginService) -> LoggedIn:
    """Sets the session's cookie, and ends the session of the one that was sent."""
    opened = await login_service.log_in(body.login, body.password, remember=body.remember)
    return LoggedIn(user=opened.user, expires_at=opened.expires_at)


@router.post("/logout", dependencies=[LOGOUT], status_code=204)
def logout(session: WriteSession, login_service: CurrentLoginService) -> None:
    """Ends the cookie's session; a request with a key has none to end. The cookie is deleted also when the session
    has ended already, which is answered with 401."""
    login_service.log_out(session)


@router.get("/me", dependencies=[SELF])
def describe_me(session: ReadSession, user: CurrentUser) -> Me:
    return to_me(user, None if user.user_id is None else accounts.get_user(session, user.user_id))


@router.post("/me/password", dependencies=[SELF], status_code=204, responses=TOO_MANY)
def change_password(
    body: ChangePasswordRequest, session: WriteSession, user: CurrentUser, services: CurrentServices, request: Request
) -> None:
    """Changes the password, and ends all other sessions of the user."""
    user_id = account_of(user)
    services.rate_limits.check(PASSWORD_CHANGES, user_id)
    accounts.change_password(
        session, user_id, current=body.current_password, new=body.new_password, keep=session_token(request)
    )


@router.post("/keys", dependencies=[KEYS], status_code=201)
def create_key(body: CreateKeyRequest, session: WriteSession, user: CurrentUser) -> CreatedKey:
    """Creates a key, which is shown this once. 100 may be active at a time."""
    created = accounts.create_key(session, user, **body.model_dump())
    audit.name_target(session, created.info.id)
    return CreatedKey(key=created.key, info=created.info)


@router.get("/keys", dependencies=[KEYS])
def list_keys(session: ReadSession, user: CurrentUser) -> KeyList:
    """Lists the caller's keys, newest first: those that are active, and of the others the newest."""
    return KeyList(keys=accounts.list_keys(session, account_of(user)))


@router.delete("/keys/{key_id}", dependencies=[KEYS])
def revoke_key(key_id: KeyId, session: WriteSession, user: CurrentUser) -> ApiKey:
    """Revokes a key for ever. What was begun with it goes on."""
    return accounts.revoke_key(session, account_of(user), key_id)
