"""Deployments: engines that serve models. The scheduler calls `lifecycle` and `memory_leases`."""

from finery.domain.deployments import autostart, lifecycle, memory_leases, servability
from finery.domain.deployments.lifecycle import (
    Claim,
    LiveDeployment,
    claim,
    end,
    engine_token,
    finish,
    list_live,
    mark_running,
    note_uses,
    put_back,
    record_handle,
    unload,
)
from finery.domain.deployments.service import change, count_by_status, create, get, in_slot, list_all, request_stop

__all__ = [
    "Claim",
    "LiveDeployment",
    "autostart",
    "change",
    "claim",
    "count_by_status",
    "create",
    "end",
    "engine_token",
    "finish",
    "get",
    "in_slot",
    "lifecycle",
    "list_all",
    "list_live",
    "mark_running",
    "memory_leases",
    "note_uses",
    "put_back",
    "record_handle",
    "request_stop",
    "servability",
    "unload",
]
