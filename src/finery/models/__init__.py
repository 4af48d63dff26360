"""The tables. Private to `domain`: rows never leave it."""

from finery.models.accounts import ApiKeyRow, AuditRow, SecretRow, SessionRow, SetupRow, UserRow
from finery.models.deployments import DeploymentRow
from finery.models.projects import ProjectRow
from finery.models.runs import ArtifactRow, AttemptRow, EventRow, LeaseRow, LogRow, OutboxRow, RunRow

__all__ = [
    "ApiKeyRow",
    "ArtifactRow",
    "AttemptRow",
    "AuditRow",
    "DeploymentRow",
    "EventRow",
    "LeaseRow",
    "LogRow",
    "OutboxRow",
    "ProjectRow",
    "RunRow",
    "SecretRow",
    "SessionRow",
    "SetupRow",
    "UserRow",
]
