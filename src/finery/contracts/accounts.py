"""Users, login sessions, API keys, secrets and audit entries, as services return them and take them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from finery.contracts.base_models import FrozenModel, StrictModel
from finery.contracts.permissions import Level, Permission


class User(FrozenModel):
    id: str
    email: str
    username: str
    display_name: str | None
    levels: list[Level]
    is_active: bool
    has_password: bool
    """A user without a password can authenticate with API keys only."""
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None

    @property
    def is_admin(self) -> bool:
        return Level.ADMIN in self.levels


class NewUser(StrictModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    email: str
    username: str
    password: str | None = None
    display_name: str | None = None
    levels: list[Level] = [Level.RESEARCHER]


class UserChanges(StrictModel):
    """Only what is set changes; `display_name` alone can be cleared with None."""

    model_config = ConfigDict(hide_input_in_errors=True)

    email: str | None = None
    username: str | None = None
    password: str | None = None
    display_name: str | None = None
    levels: list[Level] | None = None
    is_active: bool | None = None


class SetupStatus(FrozenModel):
    needs_setup: bool
    has_admin: bool
    user_count: int
    registration_enabled: bool = False


@dataclass(frozen=True)
class NewSession:
    token: str = field(repr=False)
    """The session cookie's value; only its hash is stored, so it cannot be shown again."""
    expires_at: datetime
    remember: bool
    user: User


class ApiKey(FrozenModel):
    id: str
    name: str
    prefix: str
    """The key's first characters, by which its owner recognizes it."""
    scoped_permissions: list[Permission] | None
    """None: the key has all permissions of its user."""
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    is_active: bool


@dataclass(frozen=True)
class NewKey:
    key: str = field(repr=False)
    """The key itself; only its hash is stored, so it cannot be shown again."""
    info: ApiKey


class SecretInfo(FrozenModel):
    """A secret's name; its value leaves the server only in a run's environment."""

    name: str
    owner_id: str | None
    """None: a secret of the server, which every run may use."""
    created_at: datetime
    updated_at: datetime


class AuditResult(StrEnum):
    OK = "ok"
    DENIED = "denied"
    """The user lacks the permission."""
    FAILED = "failed"
    """The user has the permission, and the action did not succeed."""


class AuditEntry(FrozenModel):
    id: int
    at: datetime
    user_id: str | None
    user_name: str
    """The user's name at that time."""
    action: str
    target: str | None
    address: str | None
    result: AuditResult
    details: dict[str, Any]


class AuditFilter(StrictModel):
    user_id: str | None = None
    action: str | None = None
    target: str | None = None
    result: AuditResult | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Exclusive."""


class AuditPage(BaseModel):
    """Newest first."""

    entries: list[AuditEntry]
    next_cursor: str | None
