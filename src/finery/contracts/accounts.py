"""Users, their sessions and keys, secrets, and the record of who did what."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from finery.contracts.permissions import Level, Permission


class User(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    email: str
    username: str
    display_name: str | None
    levels: list[Level]
    is_active: bool
    has_password: bool
    """Without one, only keys let the user in."""
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None

    @property
    def is_admin(self) -> bool:
        return Level.ADMIN in self.levels


class NewUser(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    email: str
    username: str
    password: str | None = None
    display_name: str | None = None
    levels: list[Level] = [Level.RESEARCHER]


class UserChanges(BaseModel):
    """Only what is set changes; `display_name` alone can be cleared with None."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    email: str | None = None
    username: str | None = None
    password: str | None = None
    display_name: str | None = None
    levels: list[Level] | None = None
    is_active: bool | None = None


class SetupStatus(BaseModel):
    model_config = ConfigDict(frozen=True)

    needs_setup: bool
    has_admin: bool
    user_count: int
    registration_enabled: bool = False


@dataclass(frozen=True)
class NewSession:
    token: str = field(repr=False)
    """For the cookie; stored hashed, so this is the only time it is seen."""
    expires_at: datetime
    remember: bool
    user: User


class ApiKey(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    prefix: str
    """The key's first characters, by which its owner knows it."""
    scoped_permissions: list[Permission] | None
    """None: all that its user may do."""
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    is_active: bool


@dataclass(frozen=True)
class NewKey:
    key: str = field(repr=False)
    """Shown once, stored hashed."""
    info: ApiKey


class SecretInfo(BaseModel):
    """A secret's name; its value leaves the server only in a run's environment."""

    model_config = ConfigDict(frozen=True)

    name: str
    owner_id: str | None
    """None: the server's, which every run may use."""
    created_at: datetime
    updated_at: datetime


class AuditResult(StrEnum):
    OK = "ok"
    DENIED = "denied"
    """They may not."""
    FAILED = "failed"
    """They may, and it did not succeed."""


class AuditEntry(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    at: datetime
    user_id: str | None
    user_name: str
    """As it was then."""
    action: str
    target: str | None
    address: str | None
    result: AuditResult
    details: dict[str, Any]


class AuditFilter(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    user_id: str | None = None
    action: str | None = None
    target: str | None = None
    result: AuditResult | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Not included."""


class AuditPage(BaseModel):
    """Newest first."""

    entries: list[AuditEntry]
    next_cursor: str | None
