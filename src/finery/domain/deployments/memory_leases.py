"""Where an engine's memory comes from: the leases of engines, beside those of trainings."""

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
"""Of a GPU's memory, by all of its engines together."""
IDLE_SECONDS = 30.0
"""An engine on demand that was asked for nothing so long ends when its memory is needed."""


@dataclass(frozen=True)
class Placement:
    device: str
    evicted: tuple[str, ...] = ()
    """Idle engines that have to end for it."""
    is_free: bool = True
    """False: only once those have ended that are to end."""


@dataclass(frozen=True)
class _Tenant:
    id: str
    bytes: int
    is_starting: bool
    is_leaving: bool
    is_idle: bool
    idle_seconds: float


def find_placement(session: Session, need: int, context: DomainContext) -> Placement | None:
    """Room for `need` bytes, now or once idle engines have ended; None when even that would not do."""
    machine = context.machine()
    tenants = _tenants(session, context)
    if not machine.gpus:
        return _placement_on(RAM, need, _free_ram(machine, tenants.get(RAM, [])), tenants.get(RAM, []))
    taken = devices_of_runs(session, LOCAL_NODE)
    rooms = []
    for gpu in machine.gpus:
        device = f"gpu:{gpu.index}"
        on_it = tenants.get(device, [])
        placement = None if device in taken else _placement_on(device, need, _free_on(gpu, on_it), on_it)
        if placement is not None:
            # The one that is fullest already: the others stay whole for trainings.
            rooms.append(
                (not placement.is_free, len(placement.evicted), -sum(one.bytes for one in on_it), gpu.index, placement)
            )
    return min(rooms, key=lambda found: found[:4])[4] if rooms else None


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
    """Who has the memory, in general terms: names are not everybody's to see."""
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
    """The idle engines that have to end so that `count` more GPUs have none; empty where that cannot be done."""
    tenants = {device: found for device, found in _tenants(session, context).items() if device != RAM}
    leaving = [device for device, found in tenants.items() if all(one.is_leaving for one in found)]
    ready = {
        device: min(one.idle_seconds for one in found if not one.is_leaving)
        for device, found in tenants.items()
        if device not in leaving and all(one.is_idle or one.is_leaving for one in found)
    }
    wanted = count - len(leaving)
    if wanted <= 0 or len(ready) < wanted:
        return ()
    chosen = sorted(ready, key=lambda device: -ready[device])[:wanted]
    return tuple(one.id for device in chosen for one in tenants[device] if one.is_idle)


def settle_leases(session: Session, context: DomainContext) -> None:
    """At the start: no lease without its engine, and none of the engines that an earlier version started without."""
    live = select(DeploymentRow.id).where(DeploymentRow.finished_at.is_(None))
    session.execute(delete(EngineLeaseRow).where(EngineLeaseRow.deployment_id.not_in(live)))
    leased = select(EngineLeaseRow.deployment_id)
    query = select(DeploymentRow).where(
        DeploymentRow.finished_at.is_(None), DeploymentRow.token.is_not(None), DeploymentRow.id.not_in(leased)
    )
    gpus = context.machine().gpus
    for row in session.scalars(query):
        # It saw all GPUs, and so took the first.
        take_lease(session, row.id, row.details.need, f"gpu:{gpus[0].index}" if gpus else RAM)


def _tenants(session: Session, context: DomainContext) -> dict[str, list[_Tenant]]:
    found: dict[str, list[_Tenant]] = {}
    query = select(EngineLeaseRow, DeploymentRow).join(DeploymentRow, DeploymentRow.id == EngineLeaseRow.deployment_id)
    for lease, row in session.execute(query):
        seconds = context.live.in_use.idle_seconds(row.id)
        found.setdefault(lease.device, []).append(
            _Tenant(
                id=row.id,
                bytes=lease.bytes,
                is_starting=row.status == DeploymentStatus.STARTING,
                is_leaving=row.stop_requested,
                is_idle=row.on_demand and row.status == DeploymentStatus.RUNNING and seconds >= IDLE_SECONDS,
                idle_seconds=seconds,
            )
        )
    return found


def _free_ram(machine: Machine, tenants: Sequence[_Tenant]) -> int:
    """What is available already tells of engines that run; of those that start it does not yet."""
    return machine.memory_available_bytes - _starting(tenants)


def _free_on(gpu: Gpu, tenants: Sequence[_Tenant]) -> int:
    leased = int(gpu.memory_total_bytes * USABLE_SHARE) - sum(one.bytes for one in tenants)
    return min(leased, gpu.memory_free_bytes - _starting(tenants))


def _starting(tenants: Sequence[_Tenant]) -> int:
    return sum(one.bytes for one in tenants if one.is_starting)


def _placement_on(device: str, need: int, free: int, tenants: Sequence[_Tenant]) -> Placement | None:
    if free >= need:
        return Placement(device)
    free += sum(one.bytes for one in tenants if one.is_leaving)
    evicted = []
    for one in sorted(tenants, key=lambda one: -one.idle_seconds):
        if free >= need:
            break
        if one.is_idle and not one.is_leaving:
            evicted.append(one.id)
            free += one.bytes
    return Placement(device, tuple(evicted), is_free=False) if free >= need else None


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
