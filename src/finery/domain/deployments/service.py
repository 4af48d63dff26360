"""Deployments: asked for here, started and stopped by the scheduler."""

import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Select, String, column, select, table
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from finery.contracts.deployment import Deployment, DeploymentStatus, EngineOptions
from finery.contracts.process import Handle
from finery.domain.catalog import resolve_model
from finery.domain.deployments.errors import DeploymentNotFound, NoFreePort, SlotContested
from finery.domain.ground import Ground
from finery.kit.clock import utc_now
from finery.kit.ids import prefixed_id
from finery.models import DeploymentRow

FIRST_PORT, LAST_PORT = 8100, 8999
GATE: Select[str] = select(column("version_num", String)).select_from(table("alembic_version")).with_for_update()
"""Locks the one row that every database of ours has. Who waits for it goes on with a slot's true holder; without it,
two that failed at MariaDB's unique index would each keep a shared lock on the holder's entry: a deadlock."""
TRIES = 50
"""Each meets another transaction that was first."""


@dataclass(frozen=True)
class LiveDeployment:
    """What the serve loop needs to know; `token` is None until it is claimed."""

    deployment: Deployment
    token: str | None
    handle: Handle | None
    stop_requested: bool


def create(
    session: Session, model_name: str, *, slot: str | None, options: EngineOptions, ground: Ground
) -> Deployment:
    """Ask for an engine that serves a model; whoever holds `slot` is asked to stop.

    Raises ModelNotFound, ModelRefused, NoFreePort, SlotContested.
    """
    model = resolve_model(session, model_name, ground)
    if slot is not None:
        session.execute(GATE)
    for _ in range(TRIES):
        # A port or a slot that looked free may be another transaction's by the time that it is written.
        with suppress(IntegrityError), session.begin_nested():
            return _insert(session, model_name, model, slot=slot, options=options)
    raise SlotContested(slot) if slot is not None else NoFreePort(FIRST_PORT, LAST_PORT)


def get(session: Session, deployment_id: str) -> Deployment:
    """Raises DeploymentNotFound."""
    return _deployment_of(_find(session, deployment_id))


def list_all(session: Session) -> list[Deployment]:
    """Newest first, the 500 newest at most."""
    query = select(DeploymentRow).order_by(DeploymentRow.created_at.desc()).limit(500)
    return [_deployment_of(row) for row in session.scalars(query)]


def in_slot(session: Session, slot: str) -> Deployment | None:
    row = session.scalars(select(DeploymentRow).where(DeploymentRow.slot == slot)).one_or_none()
    return _deployment_of(row) if row else None


def request_stop(session: Session, deployment_id: str) -> Deployment:
    """Silent when it has ended already. Raises DeploymentNotFound."""
    row = _find(session, deployment_id)
    _ask_to_stop(row)
    return _deployment_of(row)


def list_live(session: Session) -> list[LiveDeployment]:
    query = select(DeploymentRow).where(DeploymentRow.finished_at.is_(None)).order_by(DeploymentRow.created_at)
    return [
        LiveDeployment(_deployment_of(row), row.token, Handle(**row.handle) if row.handle else None, row.stop_requested)
        for row in session.scalars(query)
    ]


def claim(session: Session, deployment_id: str) -> str | None:
    """The token of a deployment that is ours to start; None when somebody else was first, or it shall stop."""
    row = _lock(session, deployment_id)
    if row.token is not None or row.finished_at is not None:
        return None
    row.token = secrets.token_hex(16)
    return row.token


def record_handle(session: Session, deployment_id: str, token: str, handle: Handle) -> None:
    row = _lock(session, deployment_id)
    if row.token == token:
        row.handle = handle.model_dump(mode="json")


def mark_running(session: Session, deployment_id: str, token: str, device: str) -> None:
    row = _lock(session, deployment_id)
    if row.token == token and row.status == DeploymentStatus.STARTING:
        row.status, row.details = DeploymentStatus.RUNNING, {**row.details, "device": device}
        row.started_at = row.updated_at = utc_now()


def finish(session: Session, deployment_id: str, token: str | None, error: str | None) -> None:
    """Its process is gone. A stop that was asked for is `stopped`, whatever the process said."""
    row = _lock(session, deployment_id)
    if row.finished_at is not None or row.token != token:
        return
    row.status = DeploymentStatus.STOPPED if row.stop_requested else DeploymentStatus.FAILED
    row.error = None if row.stop_requested else error
    row.slot = row.port = None
    row.finished_at = row.updated_at = utc_now()


def _insert(session: Session, model_name: str, model: str, *, slot: str | None, options: EngineOptions) -> Deployment:
    """Raises IntegrityError from the unique indexes."""
    port = _free_port(session)
    if slot is not None:
        _vacate(session, slot)
    now = utc_now()
    row = DeploymentRow(
        id=prefixed_id("dep"),
        slot=slot,
        model_name=model_name,
        model=model,
        engine="transformers",
        options=options.model_dump(),
        status=DeploymentStatus.STARTING,
        stop_requested=False,
        port=port,
        details={},
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    return _deployment_of(row)


def _vacate(session: Session, slot: str) -> None:
    row = session.scalars(select(DeploymentRow).where(DeploymentRow.slot == slot).with_for_update()).one_or_none()
    if row is not None:
        _ask_to_stop(row)
        row.slot = None
        session.flush()


def _ask_to_stop(row: DeploymentRow) -> None:
    if row.finished_at is None and not row.stop_requested:
        row.stop_requested, row.status, row.updated_at = True, DeploymentStatus.STOPPING, utc_now()


def _find(session: Session, deployment_id: str) -> DeploymentRow:
    row = session.get(DeploymentRow, deployment_id)
    if row is None:
        raise DeploymentNotFound(deployment_id)
    return row


def _lock(session: Session, deployment_id: str) -> DeploymentRow:
    row = session.get(DeploymentRow, deployment_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise DeploymentNotFound(deployment_id)
    return row


def _free_port(session: Session) -> int:
    taken = set(session.scalars(select(DeploymentRow.port).where(DeploymentRow.port.is_not(None))))
    # From anywhere in the range: another server on this machine may choose now too, and its engine binds seconds later.
    count = LAST_PORT + 1 - FIRST_PORT
    first: int = secrets.randbelow(count)
    for step in range(count):
        port = FIRST_PORT + (first + step) % count
        if port not in taken and _is_free(port):
            return port
    raise NoFreePort(FIRST_PORT, LAST_PORT)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _deployment_of(row: DeploymentRow) -> Deployment:
    return Deployment(
        id=row.id,
        slot=row.slot,
        model_name=row.model_name,
        model=row.model,
        engine=row.engine,
        options=EngineOptions(**row.options),
        status=DeploymentStatus(row.status),
        error=row.error,
        port=row.port,
        device=row.details.get("device"),
        log_file=f"deploy_logs/{row.id}.log",
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
