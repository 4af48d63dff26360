"""Turns exceptions into error answers in the shape of the dialect (OpenAI's, native, …) that was asked."""

import errno
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast, get_args

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from finery.contracts.permissions import Principal
from finery.domain.errors import DomainError, ErrorKind
from finery.domain.issues import Issues, gather_issues
from finery.domain.server_lease import LeaseLost
from finery.engines.disconnect import CLIENT_CLOSED_REQUEST
from finery.http.attempt_limits import AttemptLimit
from finery.http.auditing import audit_denial
from finery.http.body import JsonBounds, StrictRequest
from finery.http.identity import ACTOR
from finery.http.languages import language_of
from finery.http.permission import Allow
from finery.http.problems import NOTHING_HERE, Problem, RequestRefused, domain_problem, invalid_request, unavailable
from finery.http.session import lane_of, with_session_in_thread
from finery.kit.error_paths import path_in
from finery.kit.field_errors import sentence_of
from finery.kit.log_throttle import LogThrottle
from finery.kit.printable import printable
from finery.kit.suggest import nearest
from finery.kit.translatable import Translatable

log = logging.getLogger(__name__)

Handler = Callable[[Request], Any]


@dataclass(frozen=True)
class ErrorShape:
    """How one of the public APIs writes errors: its JSON body and its statuses."""

    body: Callable[[Problem], object]
    statuses: Mapping[ErrorKind, int] = field(default_factory=dict)
    """The statuses that differ from problems.STATUSES."""
    renumbered: Mapping[int, int] = field(default_factory=dict)
    """An HTTP status → the one that this dialect answers instead."""
    language: str | None = None
    """The tag of the language of its messages where a request asks for none; None: they are English always."""

    def render(self, problem: Problem, scope: Scope) -> Response:
        status = self.renumbered.get(problem.status, problem.status)
        if self.language is None:
            return JSONResponse(self.body(problem), status, headers=dict(problem.headers))
        language = language_of(Headers(scope=scope).getlist("accept-language"), self.language)
        response = JSONResponse(self.body(problem.told(language.tell)), status, headers=dict(problem.headers))
        language.mark(response)
        return response


PUBLIC_BODY_BYTES = 64 << 10
"""Bytes. The largest body of a route that needs no login."""


class DialectRoute(APIRoute):
    """Checks permissions and rate limits before the body is read, reads JSON strictly, has its dialect's errors."""

    errors: ClassVar[ErrorShape]
    methods: set[str]

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self._lane = lane_of(endpoint)
        super().__init__(path, with_session_in_thread(endpoint), **options)

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()
        dependencies = [dependency.dependency for dependency in self.dependencies]
        conditions = [condition for condition in dependencies if isinstance(condition, Allow | AttemptLimit)]
        needs_login = any(isinstance(condition, Allow) for condition in conditions)
        bounds = next((each for each in dependencies if isinstance(each, JsonBounds)), JsonBounds())

        async def handle(request: Request) -> Response:
            for condition in conditions:
                await condition.admit(request)
            most_bytes = None if needs_login else PUBLIC_BODY_BYTES
            strict = StrictRequest(request.scope, request.receive, most_bytes=most_bytes, bounds=bounds)
            if self._lane is None:
                return await handler(strict)
            if self.body_field is not None:
                # Before it takes a place in the lane, which no slow client may hold.
                await strict.body()
            # Where the route needs a login, the conditions have found out who asks.
            actor: Principal | None = request.scope.get(ACTOR)
            async with self._lane.entered(None if actor is None else actor.user_id):
                return await handler(strict)

        return handle


def dialect_route(shape: ErrorShape) -> type[DialectRoute]:
    """Returns the `route_class` of a dialect's routers."""

    class BoundRoute(DialectRoute):
        errors = shape

    return BoundRoute


def add_error_handlers(app: FastAPI, errors_for: Callable[[Scope], ErrorShape]) -> None:
    """`errors_for` returns the shape in which a request's errors are answered."""

    async def domain(request: Request, error: Exception) -> Response:
        refusal = cast(DomainError, error)
        await audit_denial(request, request.app.state.services, refusal)
        shape = errors_for(request.scope)
        return shape.render(domain_problem(refusal, shape.statuses), request.scope)

    def other(request: Request, error: Exception) -> Response:
        return errors_for(request.scope).render(problem_of(request, error), request.scope)

    def disconnected(request: Request, error: Exception) -> Response:
        return Response(status_code=CLIENT_CLOSED_REQUEST)

    app.add_exception_handler(DomainError, domain)
    app.add_exception_handler(ClientDisconnect, _in_loop(disconnected))
    for kind in (RequestValidationError, HTTPException, SQLAlchemyError, OSError, LeaseLost, Exception):
        app.add_exception_handler(kind, _in_loop(other))


def problem_of(request: Request, error: Exception) -> Problem:
    """Returns the error to answer with: no traceback, and nothing of the server's internals."""
    match error:
        case RequestRefused():
            return error.problem
        case RequestValidationError():
            return invalid_request(_issues(request, error))
        case HTTPException():
            return _http_problem(request, error)
        case LeaseLost():
            return unavailable(
                Translatable("{error}, while this one stood still; nothing was changed, ask that one", error=error)
            )
        case DataError():
            return Problem(
                422, "invalid_request", Translatable("a value holds characters or a number that cannot be stored")
            )
        case DBAPIError() if "is full" in str(error.orig):
            return _DISK_FULL
        case SQLAlchemyError():
            return _database_problem(error)
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return _DISK_FULL
        case OSError(errno=errno.EROFS):
            return unavailable(
                Translatable("the server's disk is read-only; try again when its operator has put that right")
            )
        case OSError(errno=errno.EMFILE | errno.ENFILE):
            return unavailable(Translatable("the server has too many files open; try again in a moment"))
        case OSError():
            return _failure(error)
    # Starlette raises it again once it is answered, so that uvicorn logs it.
    return _INTERNAL


def _failure(error: Exception) -> Problem:
    # Starlette takes an exception with a handler of its own for dealt with and does not raise it again.
    log.error("a request failed", exc_info=error)
    return _INTERNAL


_put_off = LogThrottle(10.0)
_DISK_FULL = Problem(507, "disk_full", Translatable("the server's disk is full; free some space and try again"))
_INTERNAL = Problem(500, "internal_error", Translatable("the server failed at this request; its log says why"))
_MESSAGES = {
    "Not Found": NOTHING_HERE,
    "Method Not Allowed": Translatable("Method Not Allowed"),
}
_BUSY_ERRORS = ("OperationalError", "InterfaceError", "TimeoutError", "DisconnectionError")
_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}


def _database_problem(error: SQLAlchemyError) -> Problem:
    if type(error).__name__ in _BUSY_ERRORS:
        if _put_off.is_due():
            log.warning("a request was put off, the next lines about it are left out: %s", error)
        return unavailable(
            Translatable("the database is busy or out of reach; nothing was changed, try again in a moment")
        )
    return _failure(error)


def _http_problem(request: Request, error: HTTPException) -> Problem:
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_allowed_methods(request)))
    message = _MESSAGES.get(error.detail, error.detail)
    return Problem(error.status_code, _CODES.get(error.status_code, "refused"), message, headers=headers)


def _allowed_methods(request: Request) -> set[str]:
    # FastAPI itself would give the methods of one route only, though several share the path.
    methods: set[str] = set()
    for context in iter_route_contexts(request.app.routes):
        regex = context.path_regex if isinstance(context.original_route, APIRoute) else None
        if regex is not None and regex.match(request.scope["path"]):
            methods |= context.methods or set()
    return methods


def _issues(request: Request, error: RequestValidationError) -> Issues:
    def locate(detail: Mapping[str, Any]) -> list[str | int]:
        place, *location = detail["loc"]
        sent = error.body if place == "body" else None
        return path_in(sent, location, is_missing=detail["type"] == "missing")

    def describe(detail: Mapping[str, Any], path: list[str | int], suggests: bool) -> str:
        if detail["type"] == "extra_forbidden":
            key = str(path[-1])
            close = nearest(key, _known_keys(request, detail["loc"][0], path[:-1])) if suggests else None
            hint = Translatable("; did you mean {near!r}?", near=close) if close else ""
            what = Translatable("key")
            return Translatable("unknown {what} {word!r}{hint}", what=what, word=printable(key), hint=hint)
        if detail["type"] == "missing" and not path:
            return Translatable("the request needs a body")
        return sentence_of(detail)

    return gather_issues(error.errors(), locate, describe)


def _known_keys(request: Request, place: str, path: list[Any]) -> list[str]:
    route = request.scope.get("route")
    field = route.body_field if isinstance(route, APIRoute) and place == "body" else None
    model = _model_in(field.field_info.annotation) if field is not None else None
    for part in path:
        if model is not None and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation)
    return list(model.model_fields) if model is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)


def _in_loop(handler: Callable[[Request, Exception], Response]) -> Callable[[Request, Exception], Any]:
    """Returns `handler` as a coroutine: Starlette would run a plain function in a thread, and an overloaded server may
    have none left."""

    async def handle(request: Request, error: Exception) -> Response:
        return handler(request, error)

    return handle
