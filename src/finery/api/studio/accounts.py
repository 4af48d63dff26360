"""HTTP routes of set-up, login, the caller's account and API keys in the studio dialect."""

from fastapi import APIRouter, Depends

from finery.api.studio.dialect import ERRORS, TOO_MANY, KeyId, StudioRoute
from finery.api.studio.mapping import to_key_info, to_new_admin, to_user
from finery.api.studio.schemas import (
    CreatedKey,
    Done,
    FirstAdminRequest,
    KeyInfo,
    LoggedIn,
    LoginRequest,
    NewApiKey,
    StudioUser,
)
from finery.contracts.accounts import SetupStatus
from finery.domain import accounts, audit
from finery.http.attempt_limits import AttemptLimit
from finery.http.identity import CurrentUser, account_of
from finery.http.logins import AllowLogout, CurrentLoginService
from finery.http.permission import Allow, AllowEveryone, Permission
from finery.http.rate_limits import LOGINS, SETUPS
from finery.http.session import ReadSession, WriteSession

EVERYONE = Depends(AllowEveryone())
SELF = Depends(Allow(Permission.ACCOUNT_SELF))
LOGOUT = Depends(AllowLogout(Permission.ACCOUNT_SELF))
KEYS = Depends(Allow(Permission.KEYS_SELF))

router = APIRouter(route_class=StudioRoute, tags=["studio: accounts"], responses=ERRORS)


@router.get("/setup/status", dependencies=[EVERYONE])
def setup_status(session: ReadSession) -> SetupStatus:
    return accounts.setup_status(session)


@router.post("/setup/first-admin", dependencies=[EVERYONE, Depends(AttemptLimit(SETUPS))], responses=TOO_MANY)
async def set_up(body: FirstAdminRequest, login_service: CurrentLoginService) -> LoggedIn:
    opened = await login_service.set_up(to_new_admin(body), body.password, body.setup_token)
    return LoggedIn(user=to_user(opened.user), message="The first administrator exists; you are logged in.")


@router.post("/login", dependencies=[EVERYONE, Depends(AttemptLimit(LOGINS))], responses=TOO_MANY)
async def login(body: LoginRequest, login_service: CurrentLoginService) -> LoggedIn:
    """Sets the session's cookie, and ends the session of the one that was sent."""
    opened = await login_service.log_in(body.username, body.password, remember=body.remember_me)
    return LoggedIn(user=to_user(opened.user), message="You are logged in.")


@router.post("/logout", dependencies=[LOGOUT])
def logout(session: WriteSession, login_service: CurrentLoginService) -> Done:
    """Ends the cookie's session. The cookie is deleted also when that has ended already, which is answered with 401."""
    login_service.log_out(session)
    return Done(message="You are logged out.")


@router.get("/me", dependencies=[SELF])
def describe_me(session: ReadSession, user: CurrentUser) -> StudioUser:
    return to_user(accounts.get_user(session, account_of(user)), user.permissions)


@router.post("/api-keys", dependencies=[KEYS])
def create_key(body: NewApiKey, session: WriteSession, user: CurrentUser) -> CreatedKey:
    """Creates a key, which is shown this once."""
    created = accounts.create_key(session, user, **body.model_dump())
    audit.name_target(session, created.info.id)
    return CreatedKey(key=created.key, key_info=to_key_info(created.info))


@router.get("/api-keys", dependencies=[KEYS])
def list_keys(session: ReadSession, user: CurrentUser) -> list[KeyInfo]:
    return [to_key_info(key) for key in accounts.list_keys(session, account_of(user))]


@router.delete("/api-keys/{key_id}", dependencies=[KEYS])
def revoke_key(key_id: KeyId, session: WriteSession, user: CurrentUser) -> Done:
    key = accounts.revoke_key(session, account_of(user), key_id)
    return Done(message=f"The key {key.name} is revoked.")
