"""Running engines; `claim`, `record_handle`, `mark_running`, `finish` and `list_live` are the scheduler's side."""

from finery.domain.deployments.service import (
    LiveDeployment,
    claim,
    create,
    finish,
    get,
    in_slot,
    list_all,
    list_live,
    mark_running,
    record_handle,
    request_stop,
)

__all__ = [
    "LiveDeployment",
    "claim",
    "create",
    "finish",
    "get",
    "in_slot",
    "list_all",
    "list_live",
    "mark_running",
    "record_handle",
    "request_stop",
]
