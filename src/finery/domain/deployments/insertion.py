"""Inserts a deployment, for which the scheduler then starts an engine."""

from typing import Any

from sqlalchemy.orm import Session

from finery.contracts.deployment import DeploymentDetails, DeploymentStatus
from finery.domain.context import DomainContext
from finery.domain.deployments.engine_plan import EnginePlan
from finery.domain.deployments.errors import NotEnoughMemory
from finery.domain.deployments.memory_estimate import architecture_of, memory_need
from finery.domain.deployments.memory_leases import find_placement, holders
from finery.domain.deployments.ports import free_port
from finery.kit.clock import utc_now
from finery.kit.ids import prefixed_id
from finery.models import DeploymentRow


def insert_row(
    session: Session, name: str, plan: EnginePlan, context: DomainContext, *, details: DeploymentDetails, **columns: Any
) -> DeploymentRow:
    """Insert the row with a free port and the memory that its engine needs.

    Raises NotEnoughMemory where ending idle engines would not suffice, NoFreePort, and IntegrityError from the unique
    indexes.
    """
    need = memory_need(plan.load, plan.adapter, plan.options, context)
    if find_placement(session, need, context) is None:
        raise NotEnoughMemory(name, need, holders(session, context.machine()))
    now = utc_now()
    row = DeploymentRow(
        id=prefixed_id("dep"),
        engine=plan.engine,
        options=plan.options,
        status=DeploymentStatus.STARTING,
        stop_requested=False,
        port=free_port(session),
        attempt=1,
        details=details.model_copy(
            update={
                "key": plan.key,
                "load": plan.load,
                "rank": plan.rank,
                "need": need,
                "architecture": architecture_of(plan.load, context),
            }
        ),
        created_at=now,
        updated_at=now,
        **columns,
    )
    session.add(row)
    session.flush()
    return row
