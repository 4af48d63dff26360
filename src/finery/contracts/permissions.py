"""Permissions, user levels, and the principal in whose name a request acts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from finery.kit.translatable import Translatable


class Permission(StrEnum):
    RUNS_READ = "runs:read"
    RUNS_WRITE = "runs:write"
    RUNS_ALL = "runs:all"
    """To see and change everyone's runs."""
    COMMANDS_RUN = "commands:run"
    """To run own programs as the server's user, which equals a shell on its machine."""
    QUEUE_WRITE = "queue:write"
    """To change the order and the limits of the queue."""
    DATASETS_READ = "datasets:read"
    DATASETS_WRITE = "datasets:write"
    DATASETS_ALL = "datasets:all"
    """To see and change everyone's datasets and files."""
    MODELS_READ = "models:read"
    MODELS_USE = "models:use"
    DEPLOYMENTS_READ = "deployments:read"
    DEPLOYMENTS_WRITE = "deployments:write"
    DEPLOYMENTS_ALL = "deployments:all"
    """To see and change everyone's deployments."""
    SYSTEM_READ = "system:read"
    ACCOUNT_SELF = "account:self"
    """To see the own account and change its password."""
    KEYS_SELF = "keys:self"
    """To manage the own API keys."""
    WEBHOOKS_WRITE = "webhooks:write"
    """To manage the own webhooks and resend their deliveries."""
    SECRETS_WRITE = "secrets:write"
    """To set, delete and list the own secrets."""
    SECRETS_ALL = "secrets:all"
    """To manage the server's secrets, which every run may use."""
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    """To manage users. It equals all other permissions, since it can set an administrator's password."""
    AUDIT_READ = "audit:read"
    SETTINGS_READ = "settings:read"
    """To see the server's settings in force."""
    PUBLIC = "public"
    """For routes that need no permission: health, and the documentation of the API."""


class Level(StrEnum):
    VIEWER = "viewer"
    """May read."""
    RESEARCHER = "researcher"
    """May also have own runs, datasets, models and deployments."""
    LEAD = "lead"
    """May also change everyone's runs and deployments, and the queue."""
    ADMIN = "admin"
    """May do everything."""


_READS = frozenset(
    {
        *(Permission.PUBLIC, Permission.RUNS_READ, Permission.DATASETS_READ, Permission.MODELS_READ),
        *(Permission.DEPLOYMENTS_READ, Permission.SYSTEM_READ, Permission.ACCOUNT_SELF, Permission.KEYS_SELF),
    }
)
_OWN_WORK = frozenset(
    {
        *(Permission.RUNS_WRITE, Permission.DATASETS_WRITE, Permission.MODELS_USE),
        *(Permission.DEPLOYMENTS_WRITE, Permission.WEBHOOKS_WRITE, Permission.SECRETS_WRITE),
    }
)
_EVERYONES_WORK = frozenset(
    {Permission.RUNS_ALL, Permission.DATASETS_ALL, Permission.DEPLOYMENTS_ALL, Permission.QUEUE_WRITE}
)

PERMISSIONS_OF_LEVEL: dict[Level, frozenset[Permission]] = {
    Level.VIEWER: _READS,
    Level.RESEARCHER: _READS | _OWN_WORK,
    Level.LEAD: _READS | _OWN_WORK | _EVERYONES_WORK,
    Level.ADMIN: frozenset(Permission),
}


def permissions_of(levels: Iterable[Level]) -> frozenset[Permission]:
    return frozenset[Permission]({Permission.PUBLIC}).union(*(PERMISSIONS_OF_LEVEL[level] for level in levels))


def how_to_get(permission: Permission) -> str:
    """Returns whom a user asks for `permission`, and for which level: the end of a message."""
    level = next(level for level in Level if permission in PERMISSIONS_OF_LEVEL[level])
    if level is Level.ADMIN:
        return Translatable("only administrators have it; ask one of them")
    return Translatable("ask an administrator for the level '{level}', which has it", level=level)


@dataclass(frozen=True)
class Principal:
    """The actor of a request, with its permissions."""

    user_id: str | None
    """Stored as the owner of what it creates; None: no account."""
    name: str
    permissions: frozenset[Permission]
    is_local: bool = False
    """The person on this machine while no account exists."""
    is_scoped: bool = False
    """Whether it authenticated with a key that has fewer permissions than its user."""
    expires_at: datetime | None = None
    """When its key expires; None: no key, or one without expiry."""

    def may(self, permission: Permission) -> bool:
        return permission is Permission.PUBLIC or permission in self.permissions

    @property
    def sees_all_runs(self) -> bool:
        return self.may(Permission.RUNS_ALL)

    @property
    def sees_all_datasets(self) -> bool:
        return self.may(Permission.DATASETS_ALL)

    @property
    def sees_all_deployments(self) -> bool:
        return self.may(Permission.DEPLOYMENTS_ALL)


LOCAL_ADMINISTRATOR = Principal(None, "local administrator", frozenset(Permission), is_local=True)
SERVER = Principal(None, "server", frozenset(Permission))
"""The actor of the server's own loops and streams, whose work was permitted before."""
ANONYMOUS = Principal(None, "nobody", frozenset({Permission.PUBLIC}))
