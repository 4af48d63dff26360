"""Engines on demand: a model's name is enough, and one engine answers for all who ask for the same."""

from contextlib import suppress

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from finery.contracts.deployment import DeploymentDetails, EngineOptions, ServedModel
from finery.contracts.permissions import Principal
from finery.domain.catalog import ModelOnHub, resolve
from finery.domain.context import DomainContext
from finery.domain.deployments.engine_plan import EnginePlan, are_as_they_were, fingerprints_of, plan_engine
from finery.domain.deployments.errors import AutostartContested, EngineNotStarted, ModelBroken
from finery.domain.deployments.insertion import insert_row
from finery.domain.deployments.queries import deployment_of
from finery.domain.device_leases import LEASE_LOCK
from finery.kit.paths import PathRefused
from finery.models import DeploymentRow

TRIES = 50
"""Each meets another transaction that was first."""


def find(session: Session, name: str, actor: Principal, context: DomainContext) -> ServedModel | None:
    """The engine, running or starting, that serves what the name stands for to `actor`; None: `ensure` starts one.

    Raises ModelNotFound, ModelRefused, EngineUnavailable.
    """
    plan = _plan(session, name, actor, context)
    row = _row_for(session, plan)
    return None if row is None else _served(row, name, plan, context)


def engine_of(session: Session, name: str, actor: Principal, context: DomainContext) -> str:
    """The kind of engine that `ensure` would start. Raises as `find` does."""
    return _plan(session, name, actor, context).engine


def is_as_found(served: ServedModel) -> bool:
    """Whether the files of what `find` has found are still those: who looks again need not ask the database for it."""
    return are_as_they_were(served.fingerprints)


def ensure(session: Session, name: str, actor: Principal, context: DomainContext) -> ServedModel:
    """The same, or a new one. It is the server's own: who may use it is who may see the name, each time anew.

    Raises NotEnoughMemory, NoFreePort, DemandContested, ModelBroken, EngineNotStarted, and what `find` raises.
    """
    plan = _plan(session, name, actor, context)
    session.execute(LEASE_LOCK)
    for _ in range(TRIES):
        row = _row_for(session, plan)
        if row is not None:
            return _served(row, name, plan, context)
        _refuse_failed(name, plan, context)
        with suppress(IntegrityError), session.begin_nested():
            return _served(_insert(session, name, plan, context), name, plan, context)
    raise AutostartContested(name)


def _plan(session: Session, name: str, actor: Principal, context: DomainContext) -> EnginePlan:
    resolved = resolve(session, name, context, actor)
    if resolved.is_on_hub and resolved.entry is None:
        # A misspelt name would begin a download that nobody asked for.
        raise ModelOnHub(
            f"model {name[:200]!r} is not here; models on a hub are served once they are deployed, "
            "or named by the administrator"
        )
    choice = "auto" if resolved.entry is None else resolved.entry.engine
    return plan_engine(resolved, choice, EngineOptions(), context)


def _row_for(session: Session, plan: EnginePlan) -> DeploymentRow | None:
    return session.scalars(select(DeploymentRow).where(DeploymentRow.demand_key == plan.key)).one_or_none()


def _refuse_failed(name: str, plan: EnginePlan, context: DomainContext) -> None:
    """A start takes seconds to minutes, and would take them at each request. Other files, or other options, make it
    another start. Raises ModelBroken, EngineNotStarted.
    """
    failure = context.live.failed_starts.find(plan.key)
    if failure is not None:
        raise ModelBroken(name, failure) if failure.is_lasting else EngineNotStarted(name, failure.reason)


def _insert(session: Session, name: str, plan: EnginePlan, context: DomainContext) -> DeploymentRow:
    return insert_row(
        session,
        name,
        plan,
        context,
        on_demand=True,
        demand_key=plan.key,
        # One engine may serve several names, and those who may list it need not know all of them.
        model_name=plan.load if plan.adapter else name,
        model=plan.load,
        details=DeploymentDetails(served_name=plan.load if plan.served_name else None),
    )


def _served(row: DeploymentRow, name: str, plan: EnginePlan, context: DomainContext) -> ServedModel:
    return ServedModel(
        deployment=deployment_of(row),
        asked=name,
        name=plan.served_name or name,
        adapter=plan.adapter,
        fingerprints={**plan.fingerprints, **_fingerprints_by_name(name, plan, context)},
    )


def _fingerprints_by_name(name: str, plan: EnginePlan, context: DomainContext) -> dict[str, str]:
    """Of the folder on the way that its name takes, where that is another: a link may lead elsewhere by now."""
    entry = context.models.get(name)
    named = name if entry is None else entry.model
    way = str(context.home.path / named)
    with suppress(PathRefused):
        if way != plan.model and str(context.resolver.resolve(named)) == plan.model:
            return fingerprints_of(way)
    return {}
