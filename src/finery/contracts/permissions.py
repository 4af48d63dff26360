"""Who asks, and what they may do."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Permission(StrEnum):
    RUNS_READ = "runs:read"
    RUNS_WRITE = "runs:write"
    RUNS_ALL = "runs:all"
    """Everyone's runs are seen and acted on like one's own."""
    COMMANDS_RUN = "commands:run"
    """Programs of one's own as the server's user, which is worth as much as a shell on its machine."""
    QUEUE_WRITE = "queue:write"
    """The order of the queue and its limits."""
    DATASETS_READ = "datasets:read"
    DATASETS_WRITE = "datasets:write"
    DATASETS_ALL = "datasets:all"
    """Everyone's datasets and files are seen and acted on like one's own."""
    MODELS_READ = "models:read"
    MODELS_USE = "models:use"
    DEPLOYMENTS_READ = "deployments:read"
    DEPLOYMENTS_WRITE = "deployments:write"
    DEPLOYMENTS_ALL = "deployments:all"
    """Everyone's deployments are seen and acted on like one's own."""
    SYSTEM_READ = "system:read"
    ACCOUNT_SELF = "account:self"
    """One's own account: seen, its password changed."""
    KEYS_SELF = "keys:self"
    """One's own API keys."""
    WEBHOOKS_WRITE = "webhooks:write"
    """One's own webhooks: set, listed, deleted, their deliveries seen and sent again."""
    SECRETS_WRITE = "secrets:write"
    """One's own secrets: set, deleted, listed by name."""
    SECRETS_ALL = "secrets:all"
    """The server's secrets, which every run may use."""
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    """Worth as much as all others: it can set an administrator's password."""
    AUDIT_READ = "audit:read"
    PUBLIC = "public"
    """Nothing is needed: health, and the documentation of the API."""


class Level(StrEnum):
    VIEWER = "viewer"
    """Reads."""
    RESEARCHER = "researcher"
    """Also has runs, data sets, models and deployments of their own."""
    LEAD = "lead"
    """Also acts on everyone's runs and deployments, and on the queue."""
    ADMIN = "admin"
    """May do all."""


_READS = frozenset(
    {
        Permission.PUBLIC,
        Permission.RUNS_READ,
        Permission.DATASETS_READ,
        Permission.MODELS_READ,
        Permission.DEPLOYMENTS_READ,
        Permission.SYSTEM_READ,
        Permission.ACCOUNT_SELF,
        Permission.KEYS_SELF,
    }
)
_OWN_WORK = frozenset(
    {
        Permission.RUNS_WRITE,
        Permission.DATASETS_WRITE,
        Permission.MODELS_USE,
        Permission.DEPLOYMENTS_WRITE,
        Permission.WEBHOOKS_WRITE,
        Permission.SECRETS_WRITE,
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


@dataclass(frozen=True)
class Principal:
    """Whoever a request comes from."""

    user_id: str | None
    """What owned objects store as their owner; None: nobody's account."""
    name: str
    permissions: frozenset[Permission]
    is_local: bool = False
    """The person on this machine while no account exists."""
    is_scoped: bool = False
    """Came with a key that has fewer permissions than its user may have."""
    expires_at: datetime | None = None
    """Of the key that it came with; None: no key, or one that does not expire."""

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
"""The server's own loops and streams, for what was allowed before."""
NOBODY = Principal(None, "nobody", frozenset({Permission.PUBLIC}))
