"""Request and response bodies of accounts and users in the studio dialect."""

from datetime import datetime
from typing import Annotated

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from finery.contracts.numbers import StrictNumbers
from finery.contracts.permissions import Level, Permission

Password = Annotated[str, Field(min_length=1, max_length=1024)]


class StudioRequest(StrictNumbers):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class FirstAdminRequest(StudioRequest):
    email: str
    username: str
    password: Password
    display_name: str | None = None
    setup_token: Annotated[str, Field(max_length=1024)] | None = None
    """Needed over the network only: the server shows it when it starts."""


class LoginRequest(StudioRequest):
    username: Annotated[
        str,
        Field(
            validation_alias=AliasChoices("username", "email"),
            min_length=1,
            max_length=254,
            description="A user name or an e-mail address; the key may also be called `email`.",
        ),
    ]
    password: Password
    remember_me: bool = False


class NewApiKey(StudioRequest):
    name: str
    expires_days: int | None = None
    scoped_permissions: Annotated[list[str], Field(max_length=100)] | None = None
    """None: all that its user may do."""


class NewStudioUser(StudioRequest):
    email: str
    username: str
    password: Password | None = None
    display_name: str | None = None
    is_admin: bool = False
    level_names: list[Level] = [Level.RESEARCHER]


class StudioUserChanges(StudioRequest):
    """Fields that are not sent stay as they are."""

    email: str | None = None
    username: str | None = None
    password: Password | None = None
    display_name: str | None = None
    is_admin: bool | None = None
    is_active: bool | None = None
    level_names: list[Level] | None = None


class StudioUser(BaseModel):
    id: str
    email: str
    username: str
    display_name: str | None
    is_admin: bool
    is_active: bool
    level_names: list[Level]
    permissions: list[Permission]
    created_at: datetime
    last_login_at: datetime | None


class LoggedIn(BaseModel):
    success: bool = True
    user: StudioUser
    message: str


class KeyInfo(BaseModel):
    id: str
    name: str
    key_prefix: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    is_active: bool
    scoped_permissions: list[Permission] | None


class CreatedKey(BaseModel):
    key: str
    """Shown this once."""
    key_info: KeyInfo


class Done(BaseModel):
    success: bool = True
    message: str
