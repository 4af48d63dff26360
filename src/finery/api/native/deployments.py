"""HTTP routes of `/api/v1/deployments`: their log, their chat and completions."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request
from starlette.responses import Response, StreamingResponse

from finery.api.native.dialect import ERRORS, PREFIX, DeploymentId, NativeRoute
from finery.api.native.history import ByteLimit, ByteOffset, Tail
from finery.api.native.mapping import to_deployment, to_new_deployment, to_tail
from finery.api.native.schemas import CreateDeploymentRequest, DeploymentList, LogAnswer
from finery.contracts.deployment import Deployment, DeploymentChanges
from finery.domain import deployments
from finery.http.admission import READS, in_lane
from finery.http.body import CONVERSATION
from finery.http.engine_startup import proxy_to
from finery.http.engines import CHAT, COMPLETIONS
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext, CurrentServices
from finery.http.session import ReadSession, SubmitSession, WriteSession
from finery.kit.log_lines import read_part

READ = Depends(Allow(Permission.DEPLOYMENTS_READ))
WRITE = Depends(Allow(Permission.DEPLOYMENTS_WRITE))
USE = Depends(Allow(Permission.MODELS_USE))
LONG = Depends(CONVERSATION)

router = APIRouter(prefix=PREFIX, route_class=NativeRoute, tags=["deployments"], responses=ERRORS)


@in_lane(READS)
def stored_deployment(deployment_id: DeploymentId, services: CurrentServices, user: CurrentUser) -> Deployment:
    """Reads the deployment in a short session, for answers that take longer than one should be open."""
    with services.database.read() as session:
        return deployments.get(session, deployment_id, user)


StoredDeployment = Annotated[Deployment, Depends(stored_deployment)]
EngineBody = Annotated[dict[str, Any], Body(description="As OpenAI's endpoint of this name takes it.")]


@router.post("/deployments", dependencies=[WRITE], status_code=201)
def create_deployment(
    body: CreateDeploymentRequest, session: SubmitSession, context: CurrentContext, user: CurrentUser
) -> Deployment:
    return to_deployment(deployments.create(session, to_new_deployment(body), context, user), context)


@router.get("/deployments", dependencies=[READ])
def list_deployments(session: ReadSession, context: CurrentContext, user: CurrentUser) -> DeploymentList:
    listed = deployments.list_all(session, user)
    return DeploymentList(deployments=[to_deployment(deployment, context) for deployment in listed])


@router.get("/deployments/{deployment_id}", dependencies=[READ])
def get_deployment(
    deployment_id: DeploymentId, session: ReadSession, context: CurrentContext, user: CurrentUser
) -> Deployment:
    return to_deployment(deployments.get(session, deployment_id, user), context)


@router.patch("/deployments/{deployment_id}", dependencies=[WRITE])
def change_deployment(
    deployment_id: DeploymentId, body: DeploymentChanges, session: WriteSession, context: CurrentContext,
    user: CurrentUser,
) -> Deployment:  # fmt: skip
    return to_deployment(deployments.change(session, deployment_id, body, user), context)


@router.delete("/deployments/{deployment_id}", dependencies=[WRITE])
def stop_deployment(
    deployment_id: DeploymentId, session: WriteSession, context: CurrentContext, user: CurrentUser
) -> Deployment:
    return to_deployment(deployments.request_stop(session, deployment_id, user), context)


@router.get(
    "/deployments/{deployment_id}/logs",
    dependencies=[READ],
    response_model=LogAnswer,
    response_model_exclude_none=True,
)
@in_lane(READS)
def read_deployment_log(
    deployment: StoredDeployment,
    services: CurrentServices,
    tail: Tail = 100,
    offset: ByteOffset = None,
    limit: ByteLimit = 2**20,
) -> Response | LogAnswer:
    """Reads what the engine wrote: its last lines, or its text from a byte on."""
    path = services.context.home.deployment_log(deployment.id)
    if offset is None:
        return StreamingResponse(to_tail(services.logs.tail(path, tail)), media_type="application/json")
    part = read_part(path, offset, limit, whole=deployment.status.is_finished)
    return LogAnswer(text=part.text, next_offset=part.next_offset)


@router.post(
    "/deployments/{deployment_id}/chat/completions",
    summary="Create Chat Completion",
    dependencies=[USE, LONG],
    response_model=None,
)
async def chat(request: Request, deployment: StoredDeployment, body: EngineBody, services: CurrentServices) -> Response:
    return await proxy_to(request, services, deployment, CHAT, body)


@router.post(
    "/deployments/{deployment_id}/completions",
    summary="Create Completion",
    dependencies=[USE, LONG],
    response_model=None,
)
async def complete(
    request: Request, deployment: StoredDeployment, body: EngineBody, services: CurrentServices
) -> Response:
    return await proxy_to(request, services, deployment, COMPLETIONS, body)
