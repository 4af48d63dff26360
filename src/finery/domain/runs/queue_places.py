"""Tells where queued runs stand, what they wait for, and who holds which device."""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session, defer

from finery.contracts.machine import Machine
from finery.contracts.permissions import Principal
from finery.contracts.queue import DeviceHolder, DeviceUse, Queue, QueueEntry
from finery.contracts.run import QueuePlace, WaitForecast, WaitReason
from finery.contracts.status import RunStatus
from finery.domain.device_leases import LOCAL_NODE, devices_of_runs
from finery.domain.ownership import deployments_visible_to, runs_visible_to
from finery.domain.runs.claims import Supply, is_before, supplies
from finery.domain.runs.errors import NotQueued
from finery.domain.runs.mapping import run_of, shown_id
from finery.domain.runs.queries import find_row
from finery.kit.translatable import Translatable
from finery.models import DeploymentRow, EngineLeaseRow, RunRow

LIVE = [status for status in RunStatus if status.is_live]


def queue_page(session: Session, machine: Machine, actor: Principal, *, after: int, limit: int) -> Queue:
    """List the queued runs that `actor` may see, from the position `after` on, and who holds which device."""
    ranked = (
        select(
            RunRow.number,
            func.row_number().over(order_by=(RunRow.priority.desc(), RunRow.number)).label("position"),
        )
        .where(_waits())
        .subquery()
    )
    query = (
        select(RunRow, ranked.c.position)
        .join(ranked, ranked.c.number == RunRow.number)
        .where(runs_visible_to(actor), ranked.c.position > after)
        .order_by(ranked.c.position)
        .limit(limit + 1)
        .options(defer(RunRow.spec), defer(RunRow.controls))
    )
    rows = session.execute(query).all()
    gpus, slots = supplies(session, machine, LOCAL_NODE)
    entries = [_entry(row, position, gpus if row.gpus else slots) for row, position in rows[:limit]]
    return Queue(
        entries=entries,
        length=session.scalar(select(func.count()).where(_waits())) or 0,
        next_after=entries[-1].position if len(rows) > limit else None,
        devices=_devices(session, machine, actor),
    )


def place_in_queue(session: Session, run_id: str, machine: Machine, actor: Principal) -> QueuePlace:
    """Return the place of a queued run among those of all users. Raises RunNotFound, NotQueued."""
    row = find_row(session, run_id, actor)
    wanted = row.gpus or row.cpu_slots
    if row.status != RunStatus.QUEUED or not wanted:
        raise NotQueued(run_id)
    counts = select(func.count(), func.sum(case((is_before(row), 1), else_=0))).where(_waits())
    length, before = session.execute(counts).one()
    gpus, slots = supplies(session, machine, LOCAL_NODE)
    reason, message = _reason(gpus if row.gpus else slots, wanted, int(before))
    return QueuePlace(position=int(before) + 1, length=length, reason=reason, message=message)


def forecast(session: Session, machine: Machine, *, gpus: int, cpu_slots: int, priority: int) -> WaitForecast:
    """Tell where a run that was submitted now would stand, and when it would start as far as that can be told."""
    comes_first = case((RunRow.priority >= priority, 1), else_=0)
    length, before = session.execute(select(func.count(), func.sum(comes_first)).where(_waits())).one()
    of_gpus, of_slots = supplies(session, machine, LOCAL_NODE)
    supply, wanted = (of_gpus, gpus) if gpus else (of_slots, cpu_slots)
    reason, message = _reason(supply, wanted, int(before or 0))
    seconds = {WaitReason.STARTS_NEXT: 0.0}.get(reason)
    if reason is WaitReason.DEVICES_BUSY and not before:
        seconds = _seconds_until_free(session, supply, wanted)
    return WaitForecast(
        position=int(before or 0) + 1, length=length + 1, reason=reason, message=message, seconds=seconds
    )


def _seconds_until_free(session: Session, supply: Supply, wanted: int) -> float | None:
    """Return after how long enough devices of runs are free, by the time that these tell; None: they do not tell."""
    live = select(supply.wanted, RunRow.progress).where(RunRow.status.in_(LIVE), supply.wanted > 0)
    if supply.kind == "cpu":
        live = live.where(RunRow.gpus == 0)
    ends = [(progress.get("eta_seconds"), count) for count, progress in session.execute(live)]
    known = sorted((eta, count) for eta, count in ends if isinstance(eta, int | float) and eta >= 0)
    free = len(supply.free)
    for eta, count in known:
        free += count
        if free >= wanted:
            return float(eta)
    return None


def _waits() -> ColumnElement[bool]:
    return and_(RunRow.status == RunStatus.QUEUED, or_(RunRow.gpus > 0, RunRow.cpu_slots > 0))


def _entry(row: RunRow, position: int, supply: Supply) -> QueueEntry:
    reason, message = _reason(supply, row.gpus or row.cpu_slots, position - 1)
    return QueueEntry(position=position, reason=reason, message=message, run=run_of(row))


def _reason(supply: Supply, wanted: int, before: int) -> tuple[WaitReason, str]:
    needed, total, free = _needed(supply.kind, wanted), supply.total, len(supply.free)
    if wanted > total:
        message = Translatable("it needs {needed}, and this machine has {total}", needed=needed, total=total)
        return WaitReason.MACHINE_TOO_SMALL, message
    if wanted > free:
        values = {"needed": needed, "free": free, "total": total}
        return WaitReason.DEVICES_BUSY, Translatable("it needs {needed}, and {free} of {total} are free", **values)
    if before:
        return WaitReason.RUNS_BEFORE, Translatable("the runs before it come first")
    return WaitReason.STARTS_NEXT, Translatable("it starts next")


def _needed(kind: str, count: int) -> str:
    if kind == "gpu":
        return Translatable("{count} GPUs", count=count) if count > 1 else Translatable("1 GPU")
    return Translatable("{count} CPU slots", count=count) if count > 1 else Translatable("1 CPU slot")


def _devices(session: Session, machine: Machine, actor: Principal) -> list[DeviceUse]:
    held = _held_by_runs(session, actor)
    for device, holder in _engines(session, actor):
        held.setdefault(device, []).append(holder)
    gpus = [f"gpu:{gpu.index}" for gpu in machine.gpus]
    names = dict.fromkeys([*gpus, *(f"cpu:{slot}" for slot in range(machine.cpu_slots)), *held])
    return [DeviceUse(device=name, holders=held.get(name, [])) for name in names]


def _held_by_runs(session: Session, actor: Principal) -> dict[str, list[DeviceHolder]]:
    leased = devices_of_runs(session, LOCAL_NODE)
    holders: Mapping[int, DeviceHolder] = {
        row.number: DeviceHolder(kind="run", id=shown_id(row), name=row.name)
        for row in _visible(session, list(leased.values()), actor)
    }
    nobody = DeviceHolder(kind="run", id=None, name=None)
    return {device: [holders.get(number, nobody)] for device, number in leased.items()}


def _visible(session: Session, numbers: Sequence[int], actor: Principal) -> Sequence[RunRow]:
    query = select(RunRow).where(RunRow.number.in_(numbers), runs_visible_to(actor))
    return session.scalars(query.options(defer(RunRow.spec), defer(RunRow.config))).all()


def _engines(session: Session, actor: Principal) -> list[tuple[str, DeviceHolder]]:
    query = select(EngineLeaseRow.device, DeploymentRow, deployments_visible_to(actor).label("is_visible")).join(
        DeploymentRow, DeploymentRow.id == EngineLeaseRow.deployment_id
    )
    return [
        (
            device,
            DeviceHolder(
                kind="deployment", id=row.id if is_visible else None, name=row.model_name if is_visible else None
            ),
        )
        for device, row, is_visible in session.execute(query)
    ]
