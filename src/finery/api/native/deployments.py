"""HTTP routes of `/api/v1/deployments`, their chat and completions, and `/api/v1/models`."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request
from starlette.responses import Response

from finery.api.native.dialect import ERRORS, PREFIX, DeploymentId, NativeRoute
from finery.api.native.mapping import to_deployment, to_new_deployment
from finery.api.native.schemas import CreateDeploymentRequest, DeploymentList, ModelList
from finery.contracts.deployment import Deployment, DeploymentChanges
from finery.domain import catalog, deployments
from finery.http.admission import READS, in_lane
from finery.http.body import CONVERSATION
from finery.http.engine_startup import named_model, proxy_by_name, proxy_to
from finery.http.engines import CHAT, COMPLETIONS
from finery.http.openapi_responses import in_type
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext, CurrentServices
from finery.http.session import ReadSession, SubmitSession, WriteSession

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

ModelBody = Annotated[
    dict[str, Any],
    Body(description="As OpenAI's endpoint of this name takes it; what the engine cannot honour is refused by name."),
]


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


@router.post(
    "/chat/completions",
    summary="Create Chat Completion by Model",
    dependencies=[USE, LONG],
    response_model=None,
    responses=in_type("application/json", "text/event-stream"),
    tags=["models"],
)
async def chat_by_name(request: Request, body: ModelBody, services: CurrentServices, user: CurrentUser) -> Response:
    """Answers a conversation with the model that `model` names, whose engine is started if none runs; as a stream of
    events where `stream` is true."""
    return await proxy_by_name(request, services, named_model(body), user, CHAT, body)


@router.get("/models", dependencies=[Depends(Allow(Permission.MODELS_READ))], tags=["models"])
def list_models(session: ReadSession, context: CurrentContext, user: CurrentUser) -> ModelList:
    return ModelList(models=catalog.list_models(session, context, user))
