"""Tells where a queued run stands, and what it waits for."""

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from finery.contracts.machine import Machine
from finery.contracts.permissions import Principal
from finery.contracts.run import QueuePlace, WaitReason
from finery.contracts.status import RunStatus
from finery.domain.device_leases import LOCAL_NODE
from finery.domain.runs.claims import Supply, is_before, supplies
from finery.domain.runs.errors import NotQueued
from finery.domain.runs.queries import find_row
from finery.models import RunRow


def place_in_queue(session: Session, run_id: str, machine: Machine, actor: Principal) -> QueuePlace:
    """Return the place of a queued run among those of all users. Raises RunNotFound, NotQueued."""
    row = find_row(session, run_id, actor)
    wanted = row.gpus or row.cpu_slots
    if row.status != RunStatus.QUEUED or not wanted:
        raise NotQueued(run_id)
    waits = and_(RunRow.status == RunStatus.QUEUED, or_(RunRow.gpus > 0, RunRow.cpu_slots > 0))
    counts = select(func.count(), func.sum(case((is_before(row), 1), else_=0))).where(waits)
    length, before = session.execute(counts).one()
    gpus, slots = supplies(session, machine, LOCAL_NODE)
    reason, message = _reason(gpus if row.gpus else slots, wanted, int(before))
    return QueuePlace(position=int(before) + 1, length=length, reason=reason, message=message)


def _reason(supply: Supply, wanted: int, before: int) -> tuple[WaitReason, str]:
    name, total, free = "GPU" if supply.kind == "gpu" else "CPU slot", supply.total, len(supply.free)
    needed = f"{wanted} {name}{'s' if wanted > 1 else ''}"
    if wanted > total:
        return WaitReason.MACHINE_TOO_SMALL, f"it needs {needed}, and this machine has {total}"
    if wanted > free:
        return WaitReason.DEVICES_BUSY, f"it needs {needed}, and {free} of {total} are free"
    if before:
        return WaitReason.RUNS_BEFORE, "the runs before it come first"
    return WaitReason.STARTS_NEXT, "it starts next"
