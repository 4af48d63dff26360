"""The engine's HTTP routes. They answer while the model is still loading, with 503 where they need it."""

import hmac
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from finery.engines.disconnect import CLIENT_CLOSED_REQUEST, unless_disconnected
from finery.engines.wire import (
    ChatRequest,
    CompletionRequest,
    GenerationRequest,
    RequestRefused,
    parse_request,
    server_failure,
)

if TYPE_CHECKING:
    # Importing it for real loads torch, and the port has to answer before that.
    from finery.engines.transformers.echoes import EchoAnswer
    from finery.engines.transformers.serving import Answer, Service

HEALTH = "/health"


@dataclass
class EngineState:
    name: str
    any_name: bool = False
    token: str | None = None
    """The bearer token of every request; None: every user of this machine is answered."""
    created: int = field(default_factory=lambda: int(time.time()))
    service: "Service | None" = None

    def ready_service(self) -> "Service":
        if self.service is None:
            raise server_failure("The model is still loading.", status=503, code="model_loading")
        return self.service


def create_app(state: EngineState) -> FastAPI:
    app = FastAPI(title="Finery transformers engine", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(RequestRefused, render_refusal)
    if state.token is not None:
        app.add_middleware(TokenGuard, token=state.token)
    app.add_exception_handler(HTTPException, render_http_error)

    @app.get(HEALTH)
    async def health() -> Response:
        service = state.service
        if service is None:
            return JSONResponse({"status": "loading", "model": state.name, "device": None}, status_code=503)
        facts = {
            "device": service.device,
            "context": service.context,
            "active": service.active,
            "generation": service.generation,
        }
        return JSONResponse({"status": "ok", "model": state.name, **facts})

    @app.get("/v1/models")
    async def list_models() -> dict[str, Any]:
        return {"object": "list", "data": [model_card(state)]}

    @app.get("/v1/models/{model:path}")
    async def get_model(model: str) -> dict[str, Any]:
        check_name(state, model)
        return model_card(state)

    @app.post("/v1/chat/completions")
    async def chat_completions(request: Request) -> Response:
        chat = parse_request(ChatRequest, await request.body())
        check_name(state, chat.model)
        return await respond(request, chat, state.ready_service().chat(chat))

    @app.post("/v1/completions")
    async def completions(request: Request) -> Response:
        completion = parse_request(CompletionRequest, await request.body())
        check_name(state, completion.model)
        return await respond(request, completion, state.ready_service().completion(completion))

    return app


class TokenGuard:
    """Middleware that refuses requests without the token: every user of this machine can reach the port."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = (value for name, value in scope.get("headers", ()) if name == b"authorization")
        is_known = any(hmac.compare_digest(value, self._expected) for value in given)
        if scope["type"] != "http" or scope["path"] == HEALTH or is_known:
            await self._app(scope, receive, send)
            return
        refusal = RequestRefused("This engine needs its token.", code="invalid_api_key", status=401)
        await JSONResponse(refusal.body, status_code=refusal.status)(scope, receive, send)


async def render_refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestRefused)
    return JSONResponse(error.body, status_code=error.status)


async def render_http_error(_: Request, error: Exception) -> Response:
    """Answers unknown paths and methods in the same shape as every other error."""
    assert isinstance(error, HTTPException)
    refusal = RequestRefused(error.detail, status=error.status_code)
    return JSONResponse(refusal.body, status_code=error.status_code, headers=error.headers)


def model_card(state: EngineState) -> dict[str, Any]:
    return {"id": state.name, "object": "model", "created": state.created, "owned_by": "finery"}


def check_name(state: EngineState, model: str | None) -> None:
    """Raises RequestRefused for another model's name. A request without a name means the model that is served."""
    if model is not None and model != state.name and not state.any_name:
        raise RequestRefused(
            f"The model {model!r} is not served here; {state.name!r} is.",
            param="model",
            code="model_not_found",
            status=404,
        )


async def respond(
    request: Request, body: GenerationRequest, preparation: Coroutine[Any, Any, "Answer | EchoAnswer"]
) -> Response:
    # Rendering a long prompt takes a while; it ends with the client's connection.
    answer = await unless_disconnected(request, preparation)
    if answer is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    if body.stream:
        return StreamingResponse(answer.events(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
    whole = await unless_disconnected(request, answer.whole())
    return Response(status_code=CLIENT_CLOSED_REQUEST) if whole is None else JSONResponse(whole)
