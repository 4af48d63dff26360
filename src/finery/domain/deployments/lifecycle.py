"""Records the life of engines for the scheduler: claims, handles, starts, crashes and ends."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from finery.contracts.deployment import Deployment, DeploymentDetails, DeploymentStatus, StartFailure
from finery.contracts.process import Handle
from finery.domain.context import DomainContext
from finery.domain.deployments.errors import NotEnoughMemory
from finery.domain.deployments.memory_leases import device_of, find_placement, holders, release_lease, take_lease
from finery.domain.deployments.ports import free_port
from finery.domain.deployments.queries import ask_to_stop, deployment_of, lock_row
from finery.domain.device_leases import LEASE_LOCK
from finery.kit.clock import now_after, utc_now
from finery.models import DeploymentRow

MOST_RESTARTS = 5
RESTART_WINDOW = timedelta(minutes=10)
FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF = timedelta(seconds=FIRST_BACKOFF_SECONDS * 2**MOST_RESTARTS)
MEMORY_WAIT_SECONDS = 120.0
"""How long an engine may wait for the end of those that hold its memory."""


@dataclass(frozen=True)
class LiveDeployment:
    """A deployment that has not ended, for the scheduler; `token` is None until it is claimed."""

    deployment: Deployment
    token: str | None
    handle: Handle | None
    stop_requested: bool
    attempt: int
    restart_at: datetime | None
    since: datetime
    """When it got its present status."""
    details: DeploymentDetails


@dataclass(frozen=True)
class Claim:
    token: str
    device: str
    """The device whose memory was leased."""


def engine_token(deployment_id: str, context: DomainContext) -> str:
    """Return the token that the engine requires in every request."""
    return context.secrets.derive(f"engine:{deployment_id}")


def list_live(session: Session) -> list[LiveDeployment]:
    query = select(DeploymentRow).where(DeploymentRow.finished_at.is_(None)).order_by(DeploymentRow.created_at)
    return [
        LiveDeployment(
            deployment=deployment_of(row),
            token=row.token,
            handle=row.handle,
            stop_requested=row.stop_requested,
            attempt=row.attempt,
            restart_at=row.restart_at,
            since=row.updated_at,
            details=row.details,
        )
        for row in session.scalars(query)
    ]


def claim(session: Session, deployment_id: str, context: DomainContext) -> Claim | None:
    """Claim a deployment and lease its memory; None when it is claimed or shall stop, and while its memory is not free.

    One that waits for its memory for more than MEMORY_WAIT_SECONDS fails.
    """
    context.live.lease.check(session)
    session.execute(LEASE_LOCK)
    row = lock_row(session, deployment_id)
    if row.token is not None or row.finished_at is not None or row.stop_requested:
        return None
    device = device_of(session, row.id) or _find_device(session, row, context)
    if device is None:
        return None
    row.token, row.updated_at = secrets.token_hex(16), utc_now()
    return Claim(row.token, device)


def record_handle(session: Session, deployment_id: str, token: str, handle: Handle) -> None:
    row = lock_row(session, deployment_id)
    if row.token == token:
        row.handle = handle


def put_back(session: Session, deployment_id: str, token: str, why: str | None) -> None:
    """Undo a claim whose engine could not be started for now; it keeps its memory and is started later."""
    row = lock_row(session, deployment_id)
    if row.finished_at is None and row.token == token:
        row.token = row.handle = None
        row.attempt += 1
        row.error = why or row.error
        row.updated_at = utc_now()


def mark_running(
    session: Session, deployment_id: str, token: str, device: str, *, generation: str | None = None
) -> None:
    row = lock_row(session, deployment_id)
    if row.token == token and row.status == DeploymentStatus.STARTING:
        row.status, row.error = DeploymentStatus.RUNNING, None
        row.started_at = row.updated_at = utc_now()
        row.details = row.details.model_copy(update={"device": device, "generation": generation})


def finish(
    session: Session, deployment_id: str, token: str | None, error: str | None, *, failure: StartFailure | None = None
) -> None:
    """Record that the process has ended. After a request to stop the status is `stopped`, whatever the process said."""
    row = lock_row(session, deployment_id)
    if row.finished_at is None and row.token == token:
        row.details = row.details.model_copy(update={"failure": failure})
        _finish(session, row, error)


def end(
    session: Session,
    deployment_id: str,
    token: str,
    error: str,
    *,
    failure: StartFailure | None = None,
    is_unservable: bool = False,
) -> bool:
    """Record that the process has crashed; return True when it is to be started again.

    That is a deployment which a user made and which ran before. It is started again after a growing delay, at most
    MOST_RESTARTS times in RESTART_WINDOW. `is_unservable` says that the engine cannot serve the architecture.
    """
    row = lock_row(session, deployment_id)
    if row.finished_at is not None or row.token != token:
        return False
    crashes = [at for at in row.details.crashes if utc_now() - at < RESTART_WINDOW]
    if row.stop_requested or row.on_demand or row.started_at is None or len(crashes) >= MOST_RESTARTS:
        row.details = row.details.model_copy(update={"failure": failure, "is_unservable": is_unservable})
        _finish(session, row, error)
        return False
    now = utc_now()
    row.status, row.error, row.token, row.handle = DeploymentStatus.STARTING, error, None, None
    row.attempt += 1
    # Another process may have taken the old port meanwhile.
    row.port = free_port(session)
    row.restart_at = now + timedelta(seconds=FIRST_BACKOFF_SECONDS * 2 ** len(crashes))
    row.updated_at = now
    row.details = row.details.model_copy(update={"crashes": [*crashes, now]})
    return True


def unload(session: Session, deployment_id: str, idle_seconds: float, context: DomainContext) -> bool:
    """Ask an autostarted engine to end, unless a request uses it or did within `idle_seconds`."""
    row = lock_row(session, deployment_id)
    if not row.on_demand or row.stop_requested or row.finished_at is not None:
        return False
    if not context.live.in_use.retire(row.id, idle_seconds):
        return False
    ask_to_stop(row)
    return True


def note_uses(session: Session, uses: dict[str, datetime]) -> None:
    for deployment_id, at in uses.items():
        session.execute(update(DeploymentRow).where(DeploymentRow.id == deployment_id).values(last_used_at=at))


def _find_device(session: Session, row: DeploymentRow, context: DomainContext) -> str | None:
    need = row.details.need
    placement = find_placement(session, need, context)
    if placement is not None and placement.is_free:
        take_lease(session, row.id, need, placement.device)
        return placement.device
    if (utc_now() - row.updated_at).total_seconds() > MEMORY_WAIT_SECONDS:
        _finish(session, row, str(NotEnoughMemory(row.model_name, need, holders(session, context.machine()))))
    return None


def _finish(session: Session, row: DeploymentRow, error: str | None) -> None:
    row.status = DeploymentStatus.STOPPED if row.stop_requested else DeploymentStatus.FAILED
    row.error = None if row.stop_requested else error
    row.slot = row.port = row.demand_key = None
    row.finished_at = row.updated_at = now_after(row.created_at, row.started_at)
    release_lease(session, row.id)
