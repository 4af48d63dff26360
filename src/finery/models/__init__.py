"""The database tables. Only `domain` sees them: it maps rows to contracts."""

from finery.models.accounts import ApiKeyRow, AuditRow, SecretRow, SessionRow, SetupRow, UserRow
from finery.models.attention import AttentionRow
from finery.models.datasets import BlobRow, DatasetPinRow, DatasetRow, DatasetVersionRow
from finery.models.deployments import DeploymentRow, EngineLeaseRow
from finery.models.files import FileRow, UploadPartRow, UploadRow
from finery.models.projects import ProjectRow
from finery.models.runs import (
    ArtifactRow,
    AttemptRow,
    EventRow,
    LeaseRow,
    LogRow,
    MeasurementDueRow,
    OutboxRow,
    RunRow,
)
from finery.models.servers import ServerLeaseRow
from finery.models.sweeps import SweepRow
from finery.models.webhooks import WebhookAttemptRow, WebhookMessageRow, WebhookRow

__all__ = [
    "ApiKeyRow",
    "ArtifactRow",
    "AttemptRow",
    "AttentionRow",
    "AuditRow",
    "BlobRow",
    "DatasetPinRow",
    "DatasetRow",
    "DatasetVersionRow",
    "DeploymentRow",
    "EngineLeaseRow",
    "EventRow",
    "FileRow",
    "LeaseRow",
    "LogRow",
    "MeasurementDueRow",
    "OutboxRow",
    "ProjectRow",
    "RunRow",
    "SecretRow",
    "ServerLeaseRow",
    "SessionRow",
    "SetupRow",
    "SweepRow",
    "UploadPartRow",
    "UploadRow",
    "UserRow",
    "WebhookAttemptRow",
    "WebhookMessageRow",
    "WebhookRow",
]
