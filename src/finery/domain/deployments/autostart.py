"""Starts an engine when a request names a model that none serves yet; one engine serves all who name that model."""

from contextlib import suppress

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from finery.contracts.deployment import DeploymentDetails, EngineOptions, ServedModel
from finery.contracts.permissions import Principal
from finery.domain.catalog import ModelOnHub, resolve
from finery.domain.context import DomainContext
from finery.domain.deployments.engine_plan import EnginePlan, are_unchanged, fingerprints_of, plan_engine
from finery.domain.deployments.errors import AutostartContested, EngineNotStarted, ModelBroken
from finery.domain.deployments.insertion import insert_row
from finery.domain.deployments.queries import deployment_of
from finery.domain.device_leases import LEASE_LOCK
from finery.kit.paths import PathRefused
from finery.models import DeploymentRow

MAX_TRIES = 50
"""A try fails when a concurrent transaction was first."""


def find(session: Session, name: str, actor: Principal, context: DomainContext) -> ServedModel | None:
    """Return the engine, running or starting, that serves what the name means to `actor`; None where there is none.

    Raises ModelNotFound, ModelRefused, EngineUnavailable.
    """
    plan = _plan(session, name, actor, context)
    row = _row_for(session, plan)
    return None if row is None else _served(row, name, plan, context)


def engine_of(session: Session, name: str, actor: Principal, context: DomainContext) -> str:
    """Return the name of the engine that `ensure` would start. Raises what `find` raises."""
    return _plan(session, name, actor, context).engine


def is_unchanged(served: ServedModel) -> bool:
    """Return whether the files of a served model are still those that `find` saw, without a query."""
    return are_unchanged(served.fingerprints)


def ensure(session: Session, name: str, actor: Principal, context: DomainContext) -> ServedModel:
    """Return the engine that `find` returns, or start one.

    It belongs to the server: whoever may see the model's name may use it, which is checked at each request. Raises
    NotEnoughMemory, NoFreePort, AutostartContested, ModelBroken, EngineNotStarted, and what `find` raises.
    """
    plan = _plan(session, name, actor, context)
    session.execute(LEASE_LOCK)
    for _ in range(MAX_TRIES):
        row = _row_for(session, plan)
        if row is not None:
            return _served(row, name, plan, context)
        _refuse_failed(name, plan, context)
        with suppress(IntegrityError), session.begin_nested():
            row = insert_row(
                session,
                name,
                plan,
                context,
                on_demand=True,
                demand_key=plan.key,
                # One engine may serve several names, and not all who may list it may see each of them.
                model_name=plan.load if plan.adapter else name,
                model=plan.load,
                details=DeploymentDetails(served_name=plan.load if plan.served_name else None),
            )
            return _served(row, name, plan, context)
    raise AutostartContested(name)


def _plan(session: Session, name: str, actor: Principal, context: DomainContext) -> EnginePlan:
    resolved = resolve(session, name, context, actor)
    if resolved.is_on_hub and resolved.entry is None:
        # A misspelt name would start a download that nobody wants.
        raise ModelOnHub(
            f"model {name[:200]!r} is not here; models on a hub are served once they are deployed, "
            "or named by the administrator"
        )
    choice = "auto" if resolved.entry is None else resolved.entry.engine
    return plan_engine(resolved, choice, EngineOptions(), context)


def _row_for(session: Session, plan: EnginePlan) -> DeploymentRow | None:
    return session.scalars(select(DeploymentRow).where(DeploymentRow.demand_key == plan.key)).one_or_none()


def _refuse_failed(name: str, plan: EnginePlan, context: DomainContext) -> None:
    """Raises ModelBroken or EngineNotStarted where a start with these files and options has failed lately.

    A start takes seconds to minutes, and each request would try it again.
    """
    failure = context.live.failed_starts.find(plan.key)
    if failure is not None:
        raise ModelBroken(name, failure) if failure.is_lasting else EngineNotStarted(name, failure.reason)


def _served(row: DeploymentRow, name: str, plan: EnginePlan, context: DomainContext) -> ServedModel:
    return ServedModel(
        deployment=deployment_of(row),
        requested_name=name,
        name=plan.served_name or name,
        adapter=plan.adapter,
        fingerprints={**plan.fingerprints, **_fingerprints_by_name(name, plan, context)},
    )


def _fingerprints_by_name(name: str, plan: EnginePlan, context: DomainContext) -> dict[str, str]:
    """Return the fingerprint by the path of the name, where that leads over a link: it may lead elsewhere later."""
    entry = context.models.get(name)
    named = name if entry is None else entry.model
    path = str(context.home.path / named)
    with suppress(PathRefused):
        if path != plan.model and str(context.resolver.resolve(named)) == plan.model:
            return fingerprints_of(path)
    return {}
