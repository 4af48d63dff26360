"""Talking to the one model that a user's `/load_model` put into place."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from finery.api.jobs.dialect import ERRORS, ModelRoute
from finery.api.jobs.inference_mapping import (
    chat_body,
    completion_body,
    to_chat,
    to_generation,
    to_health,
    to_loaded,
    to_model_info,
    to_model_loaded,
)
from finery.api.jobs.inference_schemas import (
    Chat,
    ChatRequest,
    Generation,
    GenerationRequest,
    Health,
    ModelInfo,
    ModelLoaded,
)
from finery.contracts.deployment import Deployment, EngineOptions, NewDeployment
from finery.domain import deployments
from finery.engines.leaving import CLIENT_CLOSED_REQUEST, unless_disconnected
from finery.http.deploying import deploy_and_wait
from finery.http.engines import CHAT, COMPLETIONS
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentServices, Services
from finery.http.session import CurrentChanges

SLOT = "main"
USE = Depends(Allow(Permission.MODELS_USE))
READ = Depends(Allow(Permission.MODELS_READ))

ModelPath = Annotated[str, Query(min_length=1, max_length=4096)]

router = APIRouter(route_class=ModelRoute, tags=["jobs: inference"], responses=ERRORS)


def slot_holder(services: CurrentServices, user: CurrentUser) -> Deployment | None:
    """Each user has a model of their own in the slot."""
    with services.database.read() as session:
        return deployments.in_slot(session, SLOT, user)


SlotHolder = Annotated[Deployment | None, Depends(slot_holder)]


@router.post("/load_model", dependencies=[Depends(Allow(Permission.DEPLOYMENTS_WRITE))])
async def load_model(
    model_path: ModelPath, changes: CurrentChanges,
    load_in_8bit: bool = False, load_in_4bit: bool = False,
) -> ModelLoaded:  # fmt: skip
    options = EngineOptions(load_in_8bit=load_in_8bit, load_in_4bit=load_in_4bit)
    new = NewDeployment(model_name=model_path, slot=SLOT, options=options)
    return to_model_loaded(await deploy_and_wait(changes, new))


@router.post("/chat", dependencies=[USE], response_model=Chat)
async def chat(
    request: Request, body: ChatRequest, holder: SlotHolder, services: CurrentServices
) -> Chat | Response:  # fmt: skip
    model = to_loaded(holder)
    answer = await _asked(request, services, model.deployment, CHAT, chat_body(body))
    return NOBODY if answer is None else to_chat(body, model, answer)


@router.post("/generate", dependencies=[USE], response_model=Generation)
async def generate(
    request: Request, body: GenerationRequest, holder: SlotHolder, services: CurrentServices
) -> Generation | Response:
    model = to_loaded(holder)
    answer = await _asked(request, services, model.deployment, COMPLETIONS, completion_body(body))
    return NOBODY if answer is None else to_generation(body, model, answer)


@router.get("/health", dependencies=[READ])
def health(holder: SlotHolder) -> Health:
    return to_health(holder)


@router.get("/model_info", dependencies=[READ])
def model_info(holder: SlotHolder) -> ModelInfo:
    return to_model_info(to_loaded(holder))


NOBODY = Response(status_code=CLIENT_CLOSED_REQUEST)
"""To a client that has gone."""


async def _asked(
    request: Request, services: Services, deployment: Deployment, path: str, body: dict[str, Any]
) -> dict[str, Any] | None:
    """The engine's answer; None to a client that leaves before it has come, which ends it."""
    return await unless_disconnected(request, services.engines.ask(deployment, path, body))
