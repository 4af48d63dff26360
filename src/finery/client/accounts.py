"""Accounts: who asks, their session, their keys, and the server's users."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from pydantic import Field

from finery.client.address import warn_of_plain_http
from finery.client.responses import Answer
from finery.client.transport import PREFIX, Transport, parse
from finery.contracts.accounts import ApiKey, NewUser, SetupStatus, User, UserChanges


class LoggedIn(Answer):
    user: User
    expires_at: datetime
    """Of the session; its cookie stays in this client."""


class Me(Answer):
    user: User | None
    """None: nobody's account."""
    name: str
    permissions: list[str]
    is_local: bool
    """The person on the server's machine while no account exists."""
    is_scoped: bool
    """Came with a key that has fewer permissions than its user may have."""


class CreatedKey(Answer):
    key: str = Field(repr=False)
    """Shown this once."""
    info: ApiKey


class KeyList(Answer):
    keys: list[ApiKey]


class UserList(Answer):
    users: list[User]


class Accounts:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def setup_status(self) -> SetupStatus:
        return self._transport.get(SetupStatus, f"{PREFIX}/setup")

    def set_up(
        self,
        *,
        email: str,
        username: str,
        password: str,
        display_name: str | None = None,
        setup_token: str | None = None,
    ) -> User:
        """Create the first administrator; this client is logged in as that user from then on."""
        warn_of_plain_http(self._transport.url)
        body = {
            "email": email,
            "username": username,
            "password": password,
            "display_name": display_name,
            "setup_token": setup_token,
        }
        given = {name: value for name, value in body.items() if value is not None}
        return self._transport.post(User, f"{PREFIX}/setup", body=given)

    def log_in(self, login: str, password: str, *, remember: bool = False) -> LoggedIn:
        """With a user name or an email address; this client is logged in from then on."""
        warn_of_plain_http(self._transport.url)
        body = {"login": login, "password": password, "remember": remember}
        return self._transport.post(LoggedIn, f"{PREFIX}/login", body=body)

    def log_out(self) -> None:
        self._transport.request("POST", f"{PREFIX}/logout")

    def me(self) -> Me:
        return self._transport.get(Me, f"{PREFIX}/me")

    def change_password(self, current: str, new: str) -> None:
        body = {"current_password": current, "new_password": new}
        self._transport.request("POST", f"{PREFIX}/me/password", body=body)

    def create_key(
        self, name: str, *, expires_days: int | None = None, scoped_permissions: Sequence[str] | None = None
    ) -> CreatedKey:
        """Without scopes it may do what its user may."""
        body: dict[str, object] = {"name": name}
        if expires_days is not None:
            body["expires_days"] = expires_days
        if scoped_permissions is not None:
            body["scoped_permissions"] = list(scoped_permissions)
        return self._transport.post(CreatedKey, f"{PREFIX}/keys", body=body)

    def list_keys(self, *, user_id: str | None = None) -> list[ApiKey]:
        """One's own, or those of the user whom an administrator names; newest first."""
        return self._transport.get(KeyList, _keys(user_id)).keys

    def revoke_key(self, key_id: str, *, user_id: str | None = None) -> ApiKey:
        """One's own, or one of the user whom an administrator names; for ever."""
        return parse(ApiKey, self._transport.request("DELETE", f"{_keys(user_id)}/{quote(key_id, safe='')}"))

    def create_user(self, new: NewUser) -> User:
        return self._transport.post(User, f"{PREFIX}/users", body=new.model_dump(mode="json", exclude_none=True))

    def list_users(self) -> list[User]:
        return self._transport.get(UserList, f"{PREFIX}/users").users

    def get_user(self, user_id: str) -> User:
        return self._transport.get(User, _user(user_id))

    def update_user(self, user_id: str, changes: UserChanges) -> User:
        body = changes.model_dump(mode="json", exclude_unset=True)
        return parse(User, self._transport.request("PATCH", _user(user_id), body=body))

    def delete_user(self, user_id: str) -> None:
        self._transport.request("DELETE", _user(user_id))


def _keys(user_id: str | None) -> str:
    return f"{PREFIX}/keys" if user_id is None else f"{_user(user_id)}/keys"


def _user(user_id: str) -> str:
    return f"{PREFIX}/users/{quote(user_id, safe='')}"
