"""Client methods for log-in, API keys and users: `FineryClient.accounts`."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import Field

from finery.client.address import warn_of_plain_http
from finery.client.responses import Answer
from finery.client.transport import Transport, api_path, parse, without_none
from finery.contracts.accounts import ApiKey, NewUser, SetupStatus, User, UserChanges


class LoggedIn(Answer):
    user: User
    expires_at: datetime
    """When the session ends; its cookie stays in this client."""


class Me(Answer):
    user: User | None
    """None for a caller without an account."""
    name: str
    permissions: list[str]
    is_local: bool
    """True for the person on the server's machine while no account exists."""
    is_scoped: bool
    """True for a key that has fewer permissions than its user."""


class CreatedKey(Answer):
    key: str = Field(repr=False)
    """The key itself, which the server shows only in this answer."""
    info: ApiKey


class KeyList(Answer):
    keys: list[ApiKey]


class UserList(Answer):
    users: list[User]


class Accounts:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def setup_status(self) -> SetupStatus:
        return self._transport.get(SetupStatus, api_path("setup"))

    def set_up(
        self,
        *,
        email: str,
        username: str,
        password: str,
        display_name: str | None = None,
        setup_token: str | None = None,
    ) -> User:
        """Creates the first administrator; this client is logged in as that user from then on."""
        warn_of_plain_http(self._transport.url)
        body = {
            "email": email,
            "username": username,
            "password": password,
            "display_name": display_name,
            "setup_token": setup_token,
        }
        return self._transport.post(User, api_path("setup"), body=without_none(body))

    def log_in(self, login: str, password: str, *, remember: bool = False) -> LoggedIn:
        """Logs this client in; `login` is a user name or an email address."""
        warn_of_plain_http(self._transport.url)
        body = {"login": login, "password": password, "remember": remember}
        return self._transport.post(LoggedIn, api_path("login"), body=body)

    def log_out(self) -> None:
        self._transport.request("POST", api_path("logout"))

    def me(self) -> Me:
        return self._transport.get(Me, api_path("me"))

    def change_password(self, current: str, new: str) -> None:
        body = {"current_password": current, "new_password": new}
        self._transport.request("POST", api_path("me", "password"), body=body)

    def create_key(
        self, name: str, *, expires_days: int | None = None, scoped_permissions: Sequence[str] | None = None
    ) -> CreatedKey:
        """Creates a key that may do what its user may, or no more than `scoped_permissions`."""
        body = {"name": name, "expires_days": expires_days, "scoped_permissions": scoped_permissions}
        return self._transport.post(CreatedKey, api_path("keys"), body=without_none(body))

    def list_keys(self, *, user_id: str | None = None) -> list[ApiKey]:
        """Returns the caller's own keys, newest first; an administrator may name another user."""
        return self._transport.get(KeyList, _keys_path(user_id)).keys

    def revoke_key(self, key_id: str, *, user_id: str | None = None) -> ApiKey:
        """Revokes one of the caller's keys for ever; an administrator may name another user."""
        return parse(ApiKey, self._transport.request("DELETE", _keys_path(user_id, key_id)))

    def create_user(self, new: NewUser) -> User:
        return self._transport.post(User, api_path("users"), body=new.model_dump(mode="json", exclude_none=True))

    def list_users(self) -> list[User]:
        return self._transport.get(UserList, api_path("users")).users

    def get_user(self, user_id: str) -> User:
        return self._transport.get(User, api_path("users", user_id))

    def update_user(self, user_id: str, changes: UserChanges) -> User:
        body = changes.model_dump(mode="json", exclude_unset=True)
        return parse(User, self._transport.request("PATCH", api_path("users", user_id), body=body))

    def delete_user(self, user_id: str) -> None:
        self._transport.request("DELETE", api_path("users", user_id))


def _keys_path(user_id: str | None, *key_id: str) -> str:
    return api_path("keys", *key_id) if user_id is None else api_path("users", user_id, "keys", *key_id)
