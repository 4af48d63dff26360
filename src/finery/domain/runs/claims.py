"""Which run starts next, and on what. For the scheduler."""

import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, String, column, select, table
from sqlalchemy.orm import Session

from finery.contracts.machine import Machine
from finery.contracts.spec import ResolvedRun
from finery.contracts.status import RunStatus
from finery.domain.runs.attempts import AttemptRef
from finery.domain.runs.transitions import EXTERNAL, change_status
from finery.kit.clock import utc_now
from finery.models import AttemptRow, EngineLeaseRow, LeaseRow, RunRow

WINDOW = 200
"""How many waiting runs are looked at in one pass."""
GATE: Select[str] = select(column("version_num", String)).select_from(table("alembic_version")).with_for_update()
"""Locks the one row that every database of ours has: an engine that takes a GPU waits for it, too."""


@dataclass(frozen=True)
class Claim:
    """A run that is ours to start, with its leases taken."""

    ref: AttemptRef
    run_id: str
    owner_id: str | None
    recipe: str
    config: dict[str, Any]
    resolved: ResolvedRun
    gpus: list[int]
    cpu_slots: int
    time_limit_seconds: float | None


def may_start(session: Session, machine: Machine) -> bool:
    """Whether it is worth a claim: something waits, and some device is free. Cheap, and without a lock."""
    query = select(RunRow.number).where(RunRow.status == RunStatus.QUEUED, RunRow.recipe != EXTERNAL).limit(1)
    return any(_free_devices(session, machine)) and session.scalars(query).first() is not None


def claim_next(session: Session, machine: Machine, *, executor: str, max_passed: int) -> Claim | None:
    """Claim the first run that fits: by priority, then by age.

    A run that does not fit may be passed `max_passed` times by later ones that take a kind of device it needs; after
    that none of those passes it until its devices are free. One that asks for more than the machine has by now (it was
    accepted on a larger one) waits, and holds nobody up. The row locks, the primary key of `leases` and the unique
    `attempts.live_run` make a second claimer lose.
    """
    if machine.gpus:
        session.execute(GATE)
    free_gpus, free_slots = _free_devices(session, machine)
    passed: list[RunRow] = []
    for row in _waiting(session):
        rivals = [one for one in passed if _compete(one, row)]
        if any(one.passed >= max_passed for one in rivals):
            continue
        if row.gpus <= len(free_gpus) and row.cpu_slots <= len(free_slots):
            for one in rivals:
                one.passed += 1
            return _claim(session, row, free_gpus[: row.gpus], free_slots[: row.cpu_slots], executor)
        if row.gpus <= len(machine.gpus) and row.cpu_slots <= machine.cpu_slots:
            passed.append(row)
    return None


def lacking_gpus(session: Session, machine: Machine) -> int:
    """How many GPUs the first waiting run that the machine could carry lacks, where it lacks nothing else."""
    free_gpus, free_slots = _free_devices(session, machine)
    query = (
        select(RunRow.gpus, RunRow.cpu_slots)
        .where(RunRow.status == RunStatus.QUEUED, RunRow.recipe != EXTERNAL, RunRow.gpus > 0)
        .where(RunRow.gpus <= len(machine.gpus), RunRow.cpu_slots <= machine.cpu_slots)
        .order_by(RunRow.priority.desc(), RunRow.number)
        .limit(1)
    )
    first = session.execute(query).first()
    return 0 if first is None or first.cpu_slots > len(free_slots) else max(0, first.gpus - len(free_gpus))


def _compete(one: RunRow, other: RunRow) -> bool:
    """Whether both need the same kind of device."""
    return bool(one.gpus and other.gpus) or bool(one.cpu_slots and other.cpu_slots)


def leased_devices(session: Session) -> dict[str, str]:
    """Device → the id of the run that holds it."""
    query = select(LeaseRow.device, RunRow.id).join(RunRow, RunRow.number == LeaseRow.run_number)
    return {row.device: row.id for row in session.execute(query)}


def _waiting(session: Session) -> list[RunRow]:
    query = (
        select(RunRow)
        .where(RunRow.status == RunStatus.QUEUED, RunRow.recipe != EXTERNAL)
        .order_by(RunRow.priority.desc(), RunRow.number)
        .limit(WINDOW)
        .with_for_update(skip_locked=True)
    )
    return list(session.scalars(query))


def _free_devices(session: Session, machine: Machine) -> tuple[list[int], list[int]]:
    taken = {*session.scalars(select(LeaseRow.device)), *session.scalars(select(EngineLeaseRow.device))}
    gpus = [gpu.index for gpu in machine.gpus if f"gpu:{gpu.index}" not in taken]
    slots = [slot for slot in range(machine.cpu_slots) if f"cpu:{slot}" not in taken]
    return gpus, slots


def _claim(session: Session, row: RunRow, gpus: list[int], slots: list[int], executor: str) -> Claim:
    now = utc_now()
    row.attempt += 1
    change_status(session, row, RunStatus.STARTING)
    row.token = secrets.token_hex(16)
    devices = [f"gpu:{index}" for index in gpus] + [f"cpu:{slot}" for slot in slots]
    session.add_all(LeaseRow(device=device, run_number=row.number, created_at=now) for device in devices)
    session.add(
        AttemptRow(run_number=row.number, number=row.attempt, live_run=row.number, executor=executor, created_at=now)
    )
    session.flush()
    return Claim(
        ref=AttemptRef(row.number, row.attempt, row.token),
        run_id=row.id,
        owner_id=row.owner_id,
        recipe=row.recipe,
        config=row.config,
        resolved=row.spec,
        gpus=gpus,
        cpu_slots=len(slots),
        time_limit_seconds=row.time_limit_seconds,
    )
