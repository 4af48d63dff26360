"""Everything that may be done with runs; `attempts` and `claims` are the scheduler's side of it."""

from finery.domain.runs.history import get_artifact, list_artifacts, list_events, metrics
from finery.domain.runs.intents import request_cancel, request_checkpoint, request_pause, request_stop, resume
from finery.domain.runs.service import count_by_status, create, delete, get, list_page, log_path, report

__all__ = [
    "count_by_status",
    "create",
    "delete",
    "get",
    "get_artifact",
    "list_artifacts",
    "list_events",
    "list_page",
    "log_path",
    "metrics",
    "report",
    "request_cancel",
    "request_checkpoint",
    "request_pause",
    "request_stop",
    "resume",
]
