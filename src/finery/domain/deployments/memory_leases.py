"""Leases memory to engines, beside the devices that trainings lease, and chooses idle engines to evict."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from finery.contracts.deployment import DeploymentStatus
from finery.contracts.machine import Gpu, Machine
from finery.domain.context import DomainContext
from finery.domain.device_leases import LOCAL_NODE, devices_of_runs
from finery.kit.clock import utc_now
from finery.models import DeploymentRow, EngineLeaseRow

RAM = "ram"
USABLE_SHARE = 0.9
"""The share of a GPU's memory that its engines may use together."""
IDLE_SECONDS = 30.0
"""An autostarted engine without a request for so long is ended when its memory is needed."""


@dataclass(frozen=True)
class Placement:
    device: str
    evicted: tuple[str, ...] = ()
    """The ids of idle engines that have to end for it."""
    is_free: bool = True
    """False while engines that are to end still have the memory."""


@dataclass(frozen=True)
class _Tenant:
    """An engine that leases memory on a device."""

    id: str
    bytes: int
    is_starting: bool
    is_stopping: bool
    is_idle: bool
    idle_seconds: float


def find_placement(session: Session, need: int, context: DomainContext) -> Placement | None:
    """Find a device with `need` bytes, free now or once idle engines have ended; None when there is none."""
    machine = context.machine()
    tenants = _tenants(session, context)
    if not machine.gpus:
        # The available memory has engines that run subtracted already, but not those that are starting.
        present = tenants.get(RAM, [])
        return _placement_on(RAM, need, machine.memory_available_bytes - _starting(present), present)
    taken = devices_of_runs(session, LOCAL_NODE)
    ranked = []
    for gpu in machine.gpus:
        device = f"gpu:{gpu.index}"
        present = tenants.get(device, [])
        placement = None if device in taken else _placement_on(device, need, _free_on(gpu, present), present)
        if placement is not None:
            # The fullest device is preferred, so that others stay free for trainings.
            used = sum(tenant.bytes for tenant in present)
            ranked.append((not placement.is_free, len(placement.evicted), -used, gpu.index, placement))
    return min(ranked, key=lambda item: item[:4])[4] if ranked else None


def take_lease(session: Session, deployment_id: str, need: int, device: str) -> None:
    session.add(EngineLeaseRow(deployment_id=deployment_id, device=device, bytes=need, created_at=utc_now()))
    session.flush()


def release_lease(session: Session, deployment_id: str) -> None:
    session.execute(delete(EngineLeaseRow).where(EngineLeaseRow.deployment_id == deployment_id))


def device_of(session: Session, deployment_id: str) -> str | None:
    return session.scalars(
        select(EngineLeaseRow.device).where(EngineLeaseRow.deployment_id == deployment_id)
    ).one_or_none()


def holders(session: Session, machine: Machine) -> str:
    """Describe who has the memory, without names, which not every user may see."""
    engines = len(list(session.scalars(select(EngineLeaseRow.deployment_id))))
    leases = devices_of_runs(session, LOCAL_NODE)
    runs = len({run for device, run in leases.items() if device.startswith("gpu:")})
    if not machine.gpus:
        free = f"{machine.memory_available_bytes / 2**30:.1f} GiB of main memory are free"
        return f"{free}, {_count(engines, 'engine')} in use beside what else runs here"
    largest = max(gpu.memory_total_bytes for gpu in machine.gpus) * USABLE_SHARE / 2**30
    return (
        f"{_count(runs, 'training')} and {_count(engines, 'engine')} hold the {_count(len(machine.gpus), 'GPU')}, "
        f"of which one offers at most {largest:.1f} GiB"
    )


def vacate_gpus(session: Session, count: int, context: DomainContext) -> tuple[str, ...]:
    """Return the idle engines that have to end to free `count` more GPUs, or nothing where that cannot be done."""
    tenants = {device: present for device, present in _tenants(session, context).items() if device != RAM}
    stopping = [device for device, present in tenants.items() if all(tenant.is_stopping for tenant in present)]
    evictable = {
        device: min(tenant.idle_seconds for tenant in present if not tenant.is_stopping)
        for device, present in tenants.items()
        if device not in stopping and all(tenant.is_idle or tenant.is_stopping for tenant in present)
    }
    missing = count - len(stopping)
    if missing <= 0 or len(evictable) < missing:
        return ()
    chosen = sorted(evictable, key=lambda device: -evictable[device])[:missing]
    return tuple(tenant.id for device in chosen for tenant in tenants[device] if tenant.is_idle)


def settle_leases(session: Session, context: DomainContext) -> None:
    """Delete, at a start, leases without an engine, and add missing ones of engines from earlier versions."""
    live = select(DeploymentRow.id).where(DeploymentRow.finished_at.is_(None))
    session.execute(delete(EngineLeaseRow).where(EngineLeaseRow.deployment_id.not_in(live)))
    leased = select(EngineLeaseRow.deployment_id)
    query = select(DeploymentRow).where(
        DeploymentRow.finished_at.is_(None), DeploymentRow.token.is_not(None), DeploymentRow.id.not_in(leased)
    )
    gpus = context.machine().gpus
    for row in session.scalars(query):
        # Earlier versions showed an engine all GPUs, of which it uses the first.
        take_lease(session, row.id, row.details.need, f"gpu:{gpus[0].index}" if gpus else RAM)


def _tenants(session: Session, context: DomainContext) -> dict[str, list[_Tenant]]:
    """Return the engines on each device."""
    tenants: dict[str, list[_Tenant]] = {}
    query = select(EngineLeaseRow, DeploymentRow).join(DeploymentRow, DeploymentRow.id == EngineLeaseRow.deployment_id)
    for lease, row in session.execute(query):
        seconds = context.live.in_use.idle_seconds(row.id)
        tenants.setdefault(lease.device, []).append(
            _Tenant(
                id=row.id,
                bytes=lease.bytes,
                is_starting=row.status == DeploymentStatus.STARTING,
                is_stopping=row.stop_requested,
                is_idle=row.on_demand and row.status == DeploymentStatus.RUNNING and seconds >= IDLE_SECONDS,
                idle_seconds=seconds,
            )
        )
    return tenants


def _free_on(gpu: Gpu, tenants: Sequence[_Tenant]) -> int:
    leased = int(gpu.memory_total_bytes * USABLE_SHARE) - sum(tenant.bytes for tenant in tenants)
    return min(leased, gpu.memory_free_bytes - _starting(tenants))


def _starting(tenants: Sequence[_Tenant]) -> int:
    return sum(tenant.bytes for tenant in tenants if tenant.is_starting)


def _placement_on(device: str, need: int, free: int, tenants: Sequence[_Tenant]) -> Placement | None:
    if free >= need:
        return Placement(device)
    free += sum(tenant.bytes for tenant in tenants if tenant.is_stopping)
    evicted = []
    for tenant in sorted(tenants, key=lambda tenant: -tenant.idle_seconds):
        if free >= need:
            break
        if tenant.is_idle and not tenant.is_stopping:
            evicted.append(tenant.id)
            free += tenant.bytes
    return Placement(device, tuple(evicted), is_free=False) if free >= need else None


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
