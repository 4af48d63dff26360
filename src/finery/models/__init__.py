"""The tables. Private to `domain`: rows never leave it."""

from finery.models.deployments import DeploymentRow
from finery.models.projects import ProjectRow
from finery.models.runs import ArtifactRow, AttemptRow, EventRow, LeaseRow, LogRow, OutboxRow, RunRow

__all__ = [
    "ArtifactRow",
    "AttemptRow",
    "DeploymentRow",
    "EventRow",
    "LeaseRow",
    "LogRow",
    "OutboxRow",
    "ProjectRow",
    "RunRow",
]
