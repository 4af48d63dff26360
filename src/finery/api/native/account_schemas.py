"""Request and response bodies of accounts, keys and secrets that `finery.contracts` does not hold."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from finery.contracts.accounts import ApiKey, SecretInfo, User
from finery.contracts.numbers import StrictNumbers
from finery.contracts.permissions import Permission

Password = Annotated[str, Field(min_length=1, max_length=1024)]


class _Request(StrictNumbers):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class SetupRequest(_Request):
    email: str
    username: str
    password: Password
    display_name: str | None = None
    setup_token: Annotated[str, Field(max_length=1024)] | None = None
    """Needed over the network only: the server shows it when it starts."""


class LoginRequest(_Request):
    login: Annotated[str, Field(min_length=1, max_length=254)]
    """A user name or an e-mail address."""
    password: Password
    remember: bool = False
    """Stay logged in for up to 90 days, also when the browser was closed."""


class LoggedIn(BaseModel):
    user: User
    expires_at: datetime
    """When the session ends; each use puts it off."""


class Me(BaseModel):
    user: User | None
    """None while no account exists."""
    name: str
    permissions: list[Permission]
    is_local: bool
    """True for the person on the server's machine while no account exists."""
    is_scoped: bool
    """True for a key that has fewer permissions than its user."""


class ChangePasswordRequest(_Request):
    current_password: Password
    new_password: Password


class CreateKeyRequest(_Request):
    name: str
    expires_days: int | None = None
    """None: it does not expire."""
    scoped_permissions: Annotated[list[str], Field(max_length=100)] | None = None
    """None: all that its user may do."""


class CreatedKey(BaseModel):
    key: str
    """Shown this once."""
    info: ApiKey


class KeyList(BaseModel):
    keys: list[ApiKey]


class UserList(BaseModel):
    users: list[User]


class SetSecretRequest(_Request):
    value: Annotated[str, Field(max_length=65536)]


class SecretList(BaseModel):
    secrets: list[SecretInfo]
