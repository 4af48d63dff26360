"""HTTP routes of inference in the jobs dialect: `/load_model`, then `/chat` and `/generate` with that model."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from finery.api.jobs.dialect import ERRORS, AnswerLanguage, ModelRoute
from finery.api.jobs.inference_mapping import (
    chat_body,
    completion_body,
    to_chat,
    to_generation,
    to_health,
    to_loaded_model,
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
from finery.http.admission import READS, in_lane
from finery.http.engine_startup import deploy_and_wait, while_connected
from finery.http.engines import CHAT, COMPLETIONS
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentServices
from finery.http.session import CurrentTransactions

SLOT = "main"
USE = Depends(Allow(Permission.MODELS_USE))
READ = Depends(Allow(Permission.MODELS_READ))

ModelPath = Annotated[str, Query(min_length=1, max_length=4096)]

router = APIRouter(route_class=ModelRoute, tags=["jobs: inference"], responses=ERRORS)


@in_lane(READS)
def slot_holder(services: CurrentServices, user: CurrentUser) -> Deployment | None:
    """Returns the deployment in the slot, where each user has one of their own."""
    with services.database.read() as session:
        return deployments.in_slot(session, SLOT, user)


SlotHolder = Annotated[Deployment | None, Depends(slot_holder)]


@router.post("/load_model", dependencies=[Depends(Allow(Permission.DEPLOYMENTS_WRITE))])
async def load_model(
    model_path: ModelPath, transactions: CurrentTransactions, language: AnswerLanguage,
    load_in_8bit: bool = False, load_in_4bit: bool = False,
) -> ModelLoaded:  # fmt: skip
    options = EngineOptions(load_in_8bit=load_in_8bit, load_in_4bit=load_in_4bit)
    new = NewDeployment(model_name=model_path, is_path=True, slot=SLOT, options=options)
    return to_model_loaded(await deploy_and_wait(transactions, new), language)


@router.post("/chat", dependencies=[USE])
async def chat(request: Request, body: ChatRequest, holder: SlotHolder, services: CurrentServices) -> Chat:
    model = to_loaded_model(holder)
    answer = await while_connected(request, services.engines.ask(model.deployment, CHAT, chat_body(body)))
    return to_chat(body, model, answer)


@router.post("/generate", dependencies=[USE])
async def generate(
    request: Request, body: GenerationRequest, holder: SlotHolder, services: CurrentServices
) -> Generation:
    model = to_loaded_model(holder)
    answer = await while_connected(request, services.engines.ask(model.deployment, COMPLETIONS, completion_body(body)))
    return to_generation(body, model, answer)


@router.get("/health", dependencies=[READ])
async def health(holder: SlotHolder) -> Health:
    return to_health(holder)


@router.get("/model_info", dependencies=[READ])
@in_lane(READS)
def model_info(holder: SlotHolder, services: CurrentServices) -> ModelInfo:
    return to_model_info(to_loaded_model(holder), services.context.resolver)
