"""HTTP routes `/v1/chat/completions` and `/v1/completions`; a model's engine is started if none runs."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request
from starlette.responses import Response

from finery.api.openai.dialect import ERRORS, PREFIX, OpenAIRoute
from finery.api.openai.model_names import model_errors_as_404
from finery.api.openai.pages import refuse_unknown_parameters
from finery.http.body import CONVERSATION
from finery.http.engine_startup import named_model, proxy_by_name
from finery.http.engines import CHAT, COMPLETIONS
from finery.http.openapi_responses import in_type
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentServices

USE = Depends(Allow(Permission.MODELS_USE))
LONG = Depends(CONVERSATION)
OpenAIBody = Annotated[
    dict[str, Any], Body(description="As OpenAI's endpoint takes it; what the engine cannot honour is refused by name.")
]
ANSWERS = in_type("application/json", "text/event-stream")

router = APIRouter(
    prefix=PREFIX,
    route_class=OpenAIRoute,
    tags=["openai: inference"],
    responses=ERRORS,
    dependencies=[Depends(refuse_unknown_parameters)],
)


@router.post("/chat/completions", dependencies=[USE, LONG], response_model=None, responses=ANSWERS)
async def create_chat_completion(
    request: Request, body: OpenAIBody, services: CurrentServices, user: CurrentUser
) -> Response:
    """Answers a conversation, as a stream of events where `stream` is true."""
    name = named_model(body)
    with model_errors_as_404(name, services.context.models):
        return await proxy_by_name(request, services, name, user, CHAT, body)


@router.post("/completions", dependencies=[USE, LONG], response_model=None, responses=ANSWERS)
async def create_completion(
    request: Request, body: OpenAIBody, services: CurrentServices, user: CurrentUser
) -> Response:
    """Completes a text, as a stream of events where `stream` is true."""
    name = named_model(body)
    with model_errors_as_404(name, services.context.models):
        return await proxy_by_name(request, services, name, user, COMPLETIONS, body)
