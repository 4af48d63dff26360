"""Starts the engine that a request needs, waits until it runs, and passes the request on to it."""

import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import anyio
from sqlalchemy.orm import Session
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from finery.contracts.deployment import Deployment, DeploymentStatus, NewDeployment, ServedModel
from finery.contracts.permissions import SERVER, Principal
from finery.domain import deployments
from finery.domain.deployments.errors import EngineNotStarted
from finery.domain.errors import DomainError, ErrorKind, Issue
from finery.engines.disconnect import unless_disconnected
from finery.http.admission import SUBMISSIONS
from finery.http.async_notifier import wait_for_change
from finery.http.body import beside_loop
from finery.http.engines import EngineUnreachable
from finery.http.problems import RequestRefused, invalid_request
from finery.http.services import Services
from finery.http.session import Transactions, transact
from finery.kit.translatable import Translatable

Answer = TypeVar("Answer")
BodyCheck = Callable[[str], None]
"""Called with an engine's name, it raises what such an engine would refuse the request with."""
LOAD_SECONDS = 900.0
SERVE_SECONDS = 120.0
"""How long a request by name waits for its engine; then it gets a 503, and OpenAI's clients repeat it."""
LOOK_SECONDS = 1.0
LONGEST_REMEMBERED = 500
"""Characters of a name that is cached: one model has any number of names, some as long as a request may be."""
TRIES = 3
"""How often a request is sent whose engine died or was unloaded before it took it."""


class ModelNotLoaded(DomainError):
    kind = ErrorKind.INVALID
    code = "model_not_loaded"

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(
            Translatable(
                "{model_name!r} could not be loaded: {reason}",
                model_name=deployment.model_name,
                reason=deployment.error or deployment.status,
            )
        )


class StillLoading(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "still_loading"

    def __init__(self, name: str) -> None:
        super().__init__(Translatable("{name!r} is still being loaded; ask again later", name=name[:200]))


async def deploy_and_wait(transactions: Transactions, new: NewDeployment) -> Deployment:
    """Create a deployment and return it once it runs.

    Raises ModelNotLoaded, EngineNotStarted, StillLoading, and what deployments.create raises.
    """
    services, actor = transactions.services, transactions.user
    # In the submissions' lane, since its model is looked at first, and a cancel must not wait for that.
    create = partial(deployments.create, new=new, context=services.context, actor=actor)
    deployment = await transactions.run(create, SUBMISSIONS)
    deadline = time.monotonic() + LOAD_SECONDS
    deployment = await _wait_for_start(services, deployment, actor, deadline)
    if deployment.status is DeploymentStatus.STARTING:
        raise StillLoading(deployment.model_name)
    if deployment.failure == "engine":
        raise EngineNotStarted(deployment.model_name, deployment.error or deployment.status)
    if deployment.status is not DeploymentStatus.RUNNING:
        raise ModelNotLoaded(deployment)
    return deployment


async def serve_and_wait(services: Services, name: str, actor: Principal, check: BodyCheck) -> ServedModel:
    """Where the model that `name` is to `actor` is answered; its engine is started if none runs.

    Nothing is started, and nobody waits, for a request that does not pass `check`; a running engine checks by itself.
    Raises StillLoading, and what `check` and deployments.autostart.ensure raise.
    """
    deadline = time.monotonic() + SERVE_SECONDS
    while time.monotonic() < deadline:
        changed = services.async_notifier.changed
        served = await _find(services, name, actor, check)
        if served.deployment.status is DeploymentStatus.STARTING:
            await beside_loop(check, served.deployment.engine)
        deployment = await _wait_for_start(services, served.deployment, SERVER, deadline)
        if deployment.status is DeploymentStatus.RUNNING and services.context.live.in_use.touch(deployment.id):
            return served.model_copy(update={"deployment": deployment})
        # It is being unloaded, or did not start; the next look finds another, or raises why there is none.
        await wait_for_change(changed, LOOK_SECONDS)
    raise StillLoading(name)


def named_model(body: Mapping[str, Any]) -> str:
    """Returns the body's model name. Raises RequestRefused."""
    name = body.get("model")
    if not isinstance(name, str) or not 0 < len(name) <= 4096:
        message = Translatable("is needed: the name of a model, as /v1/models lists them")
        raise RequestRefused(invalid_request([Issue("model", message)]))
    return name


async def proxy_by_name(
    request: Request, services: Services, name: str, actor: Principal, path: str, body: dict[str, object]
) -> Response:
    """Returns the answer of the engine that serves `name`, as it comes.

    Where the engine has died a new one is started. Raises what while_connected, serve_and_wait,
    Engines.load_adapter and Engines.pass_on raise.
    """
    return await while_connected(request, _proxy_by_name(services, name, actor, path, body))


async def ask_by_name(
    services: Services, name: str, actor: Principal, path: str, body: dict[str, object]
) -> dict[str, Any]:
    """Returns the whole answer of the engine that serves `name`.

    Raises what serve_and_wait, Engines.load_adapter and Engines.ask raise.
    """

    def check(engine: str) -> None:
        services.engines.check_body(engine, path, body)

    served = await serve_and_wait(services, name, actor, check)
    await services.engines.load_adapter(served)
    return await services.engines.ask(served, path, body)


async def proxy_to(
    request: Request, services: Services, deployment: Deployment, path: str, body: dict[str, object]
) -> Response:
    """Returns the answer of the deployment's engine. Raises what while_connected and Engines.pass_on raise."""
    return await while_connected(request, services.engines.pass_on(deployment, path, body))


async def while_connected(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer:
    """Returns the result of `work`. Cancels it and raises ClientDisconnect when the client disconnects before."""
    answer = await unless_disconnected(request, work)
    if answer is None:
        raise ClientDisconnect
    return answer


async def _proxy_by_name(
    services: Services, name: str, actor: Principal, path: str, body: dict[str, object]
) -> Response:
    def check(engine: str) -> None:
        services.engines.check_body(engine, path, body)

    for _ in range(TRIES - 1):
        served = await serve_and_wait(services, name, actor, check)
        try:
            return await _pass_on(services, served, path, body)
        except EngineUnreachable:
            await _wait_for_end(services, served.deployment)
    return await _pass_on(services, await serve_and_wait(services, name, actor, check), path, body)


async def _pass_on(services: Services, served: ServedModel, path: str, body: dict[str, object]) -> Response:
    await services.engines.load_adapter(served)
    return await services.engines.pass_on(served, path, body)


async def _wait_for_start(services: Services, deployment: Deployment, actor: Principal, deadline: float) -> Deployment:
    """Returns the deployment once it does not start any more, or at the deadline."""
    return await _wait_while(
        services, deployment, actor, deadline, lambda found: found.status is DeploymentStatus.STARTING
    )


async def _wait_for_end(services: Services, deployment: Deployment) -> None:
    # The serve loop sees a dead engine within a moment.
    deadline = time.monotonic() + 5 * LOOK_SECONDS
    await _wait_while(services, deployment, SERVER, deadline, lambda found: found.status is DeploymentStatus.RUNNING)


async def _wait_while(
    services: Services,
    deployment: Deployment,
    actor: Principal,
    deadline: float,
    pending: Callable[[Deployment], bool],
) -> Deployment:
    while pending(deployment) and time.monotonic() < deadline:
        changed = services.async_notifier.changed
        deployment = await anyio.to_thread.run_sync(_get, services, deployment.id, actor)
        if pending(deployment):
            await wait_for_change(changed, min(LOOK_SECONDS, max(0.0, deadline - time.monotonic())))
    return deployment


async def _find(services: Services, name: str, actor: Principal, check: BodyCheck) -> ServedModel:
    look = partial(_find_or_ensure, services, name, actor, check)
    if len(name) > LONGEST_REMEMBERED:
        return await anyio.to_thread.run_sync(look)
    served, key = services.cache.served, (name, actor)
    known = served.find(key)
    if (
        known is not None
        and known.fingerprints
        and not await anyio.to_thread.run_sync(deployments.autostart.is_unchanged, known)
    ):
        served.forget(key)
    return await served.get_or_read(key, look)


def _find_or_ensure(services: Services, name: str, actor: Principal, check: BodyCheck) -> ServedModel:
    # A request to what runs already writes nothing.
    with services.database.read() as session:
        served = deployments.autostart.find(session, name, actor, services.context)
        if served is not None:
            return served
        check(deployments.autostart.engine_of(session, name, actor, services.context))

    def ensure(session: Session) -> ServedModel:
        return deployments.autostart.ensure(session, name, actor, services.context)

    return transact(services, ensure)


def _get(services: Services, deployment_id: str, actor: Principal) -> Deployment:
    with services.database.read() as session:
        return deployments.get(session, deployment_id, actor)
