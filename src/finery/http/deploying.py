"""Starting an engine, for routes that answer once it does."""

import time

import anyio
from sqlalchemy.orm import Session

from finery.contracts.deployment import Deployment, DeploymentStatus, EngineOptions
from finery.domain import deployments
from finery.domain.errors import DomainError, ErrorKind
from finery.http.services import Services
from finery.http.session import transact
from finery.http.waking import wait_for_change

LOAD_SECONDS = 900.0
LOOK_SECONDS = 1.0


class ModelNotLoaded(DomainError):
    kind = ErrorKind.INVALID
    code = "model_not_loaded"

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(f"{deployment.model_name!r} could not be loaded: {deployment.error or deployment.status}")


class StillLoading(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "still_loading"

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(f"{deployment.model_name!r} is still being loaded; ask again later")


async def deploy_and_wait(services: Services, model_name: str, *, slot: str, options: EngineOptions) -> Deployment:
    """A running deployment. Raises ModelNotLoaded, StillLoading, and what deployments.create raises."""

    def create(session: Session) -> Deployment:
        return deployments.create(session, model_name, slot=slot, options=options, ground=services.ground)

    deployment = await anyio.to_thread.run_sync(transact, services, create)
    deadline = time.monotonic() + LOAD_SECONDS
    while deployment.status is not DeploymentStatus.RUNNING:
        if deployment.status.is_finished or deployment.status is DeploymentStatus.STOPPING:
            raise ModelNotLoaded(deployment)
        if time.monotonic() > deadline:
            raise StillLoading(deployment)
        changed = services.waking.changed
        deployment = await anyio.to_thread.run_sync(_get, services, deployment.id)
        if deployment.status is DeploymentStatus.STARTING:
            await wait_for_change(changed, LOOK_SECONDS)
    return deployment


def _get(services: Services, deployment_id: str) -> Deployment:
    with services.database.read() as session:
        return deployments.get(session, deployment_id)
