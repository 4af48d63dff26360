"""Running engines. `lifecycle` and `rooms` are the scheduler's side, `demand` is for names that are asked for."""

from finery.domain.deployments import demand, lifecycle, rooms
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
    "change",
    "claim",
    "count_by_status",
    "create",
    "demand",
    "end",
    "engine_token",
    "finish",
    "get",
    "in_slot",
    "lifecycle",
    "list_all",
    "list_live",
    "mark_running",
    "note_uses",
    "put_back",
    "record_handle",
    "request_stop",
    "rooms",
    "unload",
]
