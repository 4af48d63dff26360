"""Claims the next run to start for the scheduler, and leases its devices."""

import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from finery.contracts.machine import Machine
from finery.contracts.resolved_run import ResolvedRun
from finery.contracts.status import RunStatus
from finery.domain.device_leases import LEASE_LOCK, LOCAL_NODE, Node, leased_devices
from finery.domain.runs.attempts import AttemptRef
from finery.domain.runs.transitions import change_status
from finery.kit.clock import utc_now
from finery.models import AttemptRow, LeaseRow, RunRow

MAX_PASSED_RUNS = 200
"""Of the runs that a claim passes over only the first ones count it and can forbid it, so that a start does not take
longer the longer the queue is."""


@dataclass(frozen=True)
class Claim:
    """A run to start, with its devices leased."""

    ref: AttemptRef
    run_id: str
    owner_id: str | None
    executor: str
    recipe: str
    config: dict[str, Any]
    resolved: ResolvedRun
    gpus: list[int]
    cpu_slots: int
    time_limit_seconds: float | None


@dataclass(frozen=True)
class Supply:
    """The devices of one kind on a node, `gpu` or `cpu`. A run needs GPUs or CPU slots, never both."""

    kind: str
    wanted: InstrumentedAttribute[int]
    """The column that tells how many a run needs."""
    total: int
    free: list[int]


def may_start(session: Session, machine: Machine, node: Node = LOCAL_NODE) -> bool:
    """Return whether a queued run fits, so that a claim is worth while; cheap, and without a lock."""
    return any(_first_that_fits(session, supply) for supply in supplies(session, machine, node))


def claim_next(
    session: Session, machine: Machine, *, executor: str, max_passed: int, node: Node = LOCAL_NODE
) -> Claim | None:
    """Claim the first run that fits, by priority, then by age; None where none does.

    A run that does not fit may be passed over `max_passed` times by later ones that take the kind of device it needs;
    after that none of those starts before it. A run that needs more than the machine has by now (it was accepted on a
    larger one) waits, and delays no other.
    """
    # The row locks, the primary key of `leases` and the unique `attempts.live_run` make a second claimer lose.
    if machine.gpus:
        session.execute(LEASE_LOCK)
    candidates = []
    for supply in supplies(session, machine, node):
        number = _first_that_fits(session, supply, lock=True)
        if number is None:
            continue
        row = session.get_one(RunRow, number, populate_existing=True)
        passed = _passed_runs(session, row, supply)
        if all(times < max_passed for times in passed.values()):
            candidates.append((row, supply, passed))
    if not candidates:
        return None
    row, supply, passed = min(candidates, key=lambda candidate: (-candidate[0].priority, candidate[0].number))
    if passed:
        session.execute(update(RunRow).where(RunRow.number.in_(passed)).values(passed=RunRow.passed + 1))
    return _claim(session, row, supply, node, executor)


def lacking_gpus(session: Session, machine: Machine) -> int:
    """Return how many GPUs are missing for the first queued run that could run on this machine."""
    gpus, _ = supplies(session, machine, LOCAL_NODE)
    first = session.scalars(_waiting(gpus, 1, gpus.total).with_only_columns(RunRow.gpus).limit(1)).first()
    return 0 if first is None else max(0, first - len(gpus.free))


def is_before(row: RunRow) -> ColumnElement[bool]:
    """Tell the runs that come before `row`: of a higher priority, or older."""
    return or_(RunRow.priority > row.priority, and_(RunRow.priority == row.priority, RunRow.number < row.number))


def supplies(session: Session, machine: Machine, node: Node) -> tuple[Supply, Supply]:
    taken = leased_devices(session, node)
    gpus = [gpu.index for gpu in machine.gpus if f"gpu:{gpu.index}" not in taken]
    slots = [slot for slot in range(machine.cpu_slots) if f"cpu:{slot}" not in taken]
    return (
        Supply("gpu", RunRow.gpus, len(machine.gpus), gpus),
        Supply("cpu", RunRow.cpu_slots, machine.cpu_slots, slots),
    )


def _waiting(supply: Supply, least: int, most: int) -> Select[int]:
    """Select the numbers of queued runs that need so many devices of a kind, in order. External runs need none."""
    query = select(RunRow.number).where(RunRow.status == RunStatus.QUEUED, supply.wanted.between(least, most))
    if supply.wanted is RunRow.cpu_slots:
        # It changes nothing, but lets the database use the index.
        query = query.where(RunRow.gpus == 0)
    return query.order_by(RunRow.priority.desc(), RunRow.number)


def _first_that_fits(session: Session, supply: Supply, *, lock: bool = False) -> int | None:
    """Return the run's number, which is never 0, or None."""
    query = _waiting(supply, 1, len(supply.free)).limit(1)
    if lock:
        query = query.with_for_update(skip_locked=True)
    return session.scalars(query).first() if supply.free else None


def _passed_runs(session: Session, row: RunRow, supply: Supply) -> dict[int, int]:
    """Return the runs before `row` that need more devices than are free: number → how often they were passed over."""
    query = _waiting(supply, len(supply.free) + 1, supply.total).where(is_before(row)).limit(MAX_PASSED_RUNS)
    locked = query.add_columns(RunRow.passed).with_for_update(skip_locked=True)
    return {row.number: row.passed for row in session.execute(locked)}


def _claim(session: Session, row: RunRow, supply: Supply, node: Node, executor: str) -> Claim:
    now = utc_now()
    leased = supply.free[: row.gpus or row.cpu_slots]
    row.attempt += 1
    change_status(session, row, RunStatus.STARTING)
    row.token = secrets.token_hex(16)
    where = {"pool": node.pool, "node": node.name}
    session.add_all(
        LeaseRow(**where, device=f"{supply.kind}:{index}", run_number=row.number, created_at=now) for index in leased
    )
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
        executor=executor,
        gpus=leased if row.gpus else [],
        cpu_slots=row.cpu_slots,
        time_limit_seconds=row.time_limit_seconds,
    )
