"""HTTP routes of models: their list, chat by name, and the model of a run with its lineage."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request
from starlette.responses import Response

from finery.api.native.dialect import ERRORS, PREFIX, NativeRoute, RunId
from finery.api.native.schemas import ModelList
from finery.contracts.lineage import RunLineage
from finery.domain import catalog, runs
from finery.domain.runs.lineage import lineage
from finery.http.admission import WRITES, in_lane
from finery.http.body import CONVERSATION
from finery.http.engine_startup import named_model, proxy_by_name
from finery.http.engines import CHAT
from finery.http.model_removal import remove_model
from finery.http.openapi_responses import in_type
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext, CurrentServices
from finery.http.session import CurrentTransactions, ReadSession

USE = Depends(Allow(Permission.MODELS_USE))
LONG = Depends(CONVERSATION)
ModelBody = Annotated[
    dict[str, Any],
    Body(description="As OpenAI's endpoint of this name takes it; what the engine cannot honour is refused by name."),
]

router = APIRouter(prefix=PREFIX, route_class=NativeRoute, tags=["models"], responses=ERRORS)


@router.get("/models", dependencies=[Depends(Allow(Permission.MODELS_READ))])
def list_models(session: ReadSession, context: CurrentContext, user: CurrentUser) -> ModelList:
    return ModelList(models=catalog.list_models(session, context, user))


@router.post(
    "/chat/completions",
    summary="Create Chat Completion by Model",
    dependencies=[USE, LONG],
    response_model=None,
    responses=in_type("application/json", "text/event-stream"),
)
async def chat_by_name(request: Request, body: ModelBody, services: CurrentServices, user: CurrentUser) -> Response:
    """Answers a conversation with the model that `model` names, whose engine is started if none runs; as a stream of
    events where `stream` is true."""
    return await proxy_by_name(request, services, named_model(body), user, CHAT, body)


@router.get("/runs/{run_id}/lineage", dependencies=[Depends(Allow(Permission.RUNS_READ))])
def get_lineage(run_id: RunId, session: ReadSession, context: CurrentContext, user: CurrentUser) -> RunLineage:
    """Tells from which data and models a run's model comes, and which runs go on from it."""
    return lineage(session, run_id, user, context)


@router.delete("/runs/{run_id}/model", dependencies=[Depends(Allow(Permission.RUNS_WRITE))], status_code=204)
@in_lane(WRITES)
def delete_model(run_id: RunId, transactions: CurrentTransactions, context: CurrentContext) -> None:
    """Deletes the files of a finished run's model, and its checkpoints; the run stays. Refused while others use it."""
    remove_model(transactions, partial(runs.forget_output, run_id=run_id, actor=transactions.user, home=context.home))
