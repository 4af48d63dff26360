"""Finds and locks rows of deployments, marks them to stop, and maps them to the contract."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.deployment import Deployment, DeploymentStatus
from finery.contracts.permissions import Principal
from finery.domain.deployments.errors import DeploymentNotFound
from finery.domain.ownership import NotYours, deployments_visible_to, may_write_deployment
from finery.kit.clock import utc_now
from finery.kit.translatable import Translatable
from finery.models import DeploymentRow


def find_row(session: Session, deployment_id: str, actor: Principal) -> DeploymentRow:
    """Return a deployment that `actor` may see. Raises DeploymentNotFound."""
    query = select(DeploymentRow).where(DeploymentRow.id == deployment_id, deployments_visible_to(actor))
    row = session.scalars(query).one_or_none()
    if row is None:
        raise DeploymentNotFound(deployment_id)
    return row


def find_own_row(session: Session, deployment_id: str, actor: Principal) -> DeploymentRow:
    """Return a deployment that `actor` may change. Raises DeploymentNotFound, NotYours."""
    row = find_row(session, deployment_id, actor)
    if not may_write_deployment(actor, row.owner_id):
        raise NotYours(Translatable("deployment"), deployment_id)
    return row


def lock_row(session: Session, deployment_id: str) -> DeploymentRow:
    """Return the row, read anew and locked until the transaction ends. Raises DeploymentNotFound."""
    row = session.get(DeploymentRow, deployment_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise DeploymentNotFound(deployment_id)
    return row


def ask_to_stop(row: DeploymentRow) -> None:
    """Mark a deployment to be stopped; another may be started from now on for what it serves."""
    if row.finished_at is None and not row.stop_requested:
        row.stop_requested, row.status, row.updated_at = True, DeploymentStatus.STOPPING, utc_now()
        row.demand_key = None


def deployment_of(row: DeploymentRow) -> Deployment:
    return Deployment(
        id=row.id,
        owner_id=row.owner_id,
        shared=row.shared,
        # The column holds a unique key; before owners had slots of their own, that was the slot's name itself.
        slot=None if row.slot is None else row.details.slot or row.slot,
        model_name=row.model_name,
        model=row.model,
        engine=row.engine,
        served_name=row.details.served_name,
        options=row.options,
        on_demand=row.on_demand,
        status=DeploymentStatus(row.status),
        error=row.error,
        failure=row.details.failure,
        port=row.port,
        device=row.details.device,
        memory_bytes=row.details.need or None,
        generation=row.details.generation,
        log_file=f"deploy_logs/{row.id}.log",
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        last_used_at=row.last_used_at,
    )
