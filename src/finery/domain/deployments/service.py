"""Creates, lists, shares and stops deployments for users; the scheduler starts and ends their engines."""

from contextlib import suppress

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from finery.contracts.deployment import (
    Deployment,
    DeploymentChanges,
    DeploymentDetails,
    DeploymentStatus,
    NewDeployment,
)
from finery.contracts.permissions import Principal
from finery.domain import audit
from finery.domain.catalog import resolve
from finery.domain.context import DomainContext
from finery.domain.deployments.engine_plan import EnginePlan, plan_engine
from finery.domain.deployments.errors import NoFreePort, SlotContested
from finery.domain.deployments.insertion import insert_row
from finery.domain.deployments.ports import FIRST_PORT, LAST_PORT
from finery.domain.deployments.queries import ask_to_stop, deployment_of, find_own_row, find_row
from finery.domain.device_leases import LEASE_LOCK
from finery.domain.ownership import deployments_visible_to, owner_scoped_key
from finery.kit.clock import utc_now
from finery.models import DeploymentRow

MAX_TRIES = 50
"""A try fails when a concurrent transaction was first."""


def create(session: Session, new: NewDeployment, context: DomainContext, actor: Principal) -> Deployment:
    """Create a deployment, for which the scheduler starts an engine. Their former one in the slot is asked to stop.

    Raises ModelNotFound, ModelRefused, EngineUnavailable, NotEnoughMemory, NoFreePort, SlotContested.
    """
    resolved = resolve(session, new.model_name, context, actor, is_path=new.is_path)
    plan = plan_engine(resolved, new.engine, new.options, context)
    if new.slot is not None:
        # After this lock a request sees who has the slot. Without it, two that fail at MariaDB's unique index would
        # each keep a shared lock on the other's entry: a deadlock.
        session.execute(LEASE_LOCK)
    for _ in range(MAX_TRIES):
        # Another transaction may take the free port or slot before this one writes it.
        with suppress(IntegrityError), session.begin_nested():
            return _insert(session, new, plan, context, actor)
    raise SlotContested(new.slot) if new.slot is not None else NoFreePort(FIRST_PORT, LAST_PORT)


def get(session: Session, deployment_id: str, actor: Principal) -> Deployment:
    """Return a deployment. Raises DeploymentNotFound, also for one that `actor` may not see."""
    return deployment_of(find_row(session, deployment_id, actor))


def list_all(session: Session, actor: Principal) -> list[Deployment]:
    """List deployments, newest first, at most 500."""
    query = select(DeploymentRow).where(deployments_visible_to(actor)).order_by(DeploymentRow.created_at.desc())
    return [deployment_of(row) for row in session.scalars(query.limit(500))]


def count_by_status(session: Session) -> dict[DeploymentStatus, int]:
    """Count the deployments of all users."""
    counted = session.execute(select(DeploymentRow.status, func.count()).group_by(DeploymentRow.status))
    return {DeploymentStatus(status): count for status, count in counted}


def in_slot(session: Session, slot: str, actor: Principal) -> Deployment | None:
    """Return the deployment in the actor's slot of that name, or None."""
    query = select(DeploymentRow).where(DeploymentRow.slot == owner_scoped_key(actor, slot))
    row = session.scalars(query).one_or_none()
    return deployment_of(row) if row else None


def change(session: Session, deployment_id: str, changes: DeploymentChanges, actor: Principal) -> Deployment:
    """Share a deployment, or stop sharing it. Raises DeploymentNotFound, NotYours."""
    row = find_own_row(session, deployment_id, actor)
    before = deployment_of(row)
    row.shared, row.updated_at = changes.shared, utc_now()
    audit.name_changes(session, before, after := deployment_of(row))
    return after


def request_stop(session: Session, deployment_id: str, actor: Principal) -> Deployment:
    """Ask a deployment to stop, once or again. Raises DeploymentNotFound, NotYours."""
    row = find_own_row(session, deployment_id, actor)
    before = deployment_of(row)
    ask_to_stop(row)
    audit.name_changes(session, before, after := deployment_of(row))
    return after


def _insert(
    session: Session, new: NewDeployment, plan: EnginePlan, context: DomainContext, actor: Principal
) -> Deployment:
    """Insert a deployment, and empty its slot before. Raises IntegrityError from the unique indexes."""
    slot = None if new.slot is None else owner_scoped_key(actor, new.slot)
    query = select(DeploymentRow).where(DeploymentRow.slot == slot).with_for_update()
    if slot is not None and (former := session.scalars(query).one_or_none()) is not None:
        ask_to_stop(former)
        former.slot = None
        session.flush()
    adapters = {} if plan.adapter is None or plan.served_name is None else {plan.served_name: plan.adapter}
    row = insert_row(
        session,
        new.model_name,
        plan,
        context,
        owner_id=actor.user_id,
        shared=new.shared,
        slot=slot,
        model_name=new.model_name,
        model=plan.model,
        details=DeploymentDetails(slot=new.slot, served_name=plan.served_name, adapters=adapters),
    )
    audit.name_target(session, row.id)
    return deployment_of(row)
