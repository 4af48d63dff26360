"""Error bodies of the native API, and the path and header parameters that its routes share."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Header, Path
from pydantic import BaseModel

from finery.http.errors import ErrorShape, dialect_route
from finery.http.languages import ENGLISH
from finery.http.openapi_responses import errors
from finery.http.problems import Problem

PREFIX = "/api/v1"


class ApiIssue(BaseModel):
    field: str
    message: str
    line: int | None = None
    code: str


class ApiErrorDetail(BaseModel):
    code: str
    message: str
    errors: list[ApiIssue]


class ApiError(BaseModel):
    error: ApiErrorDetail


def to_error(problem: Problem) -> dict[str, Any]:
    issues = [asdict(issue) for issue in problem.issues]
    return {"error": {"code": problem.code, "message": problem.message, "errors": issues}}


ERROR_SHAPE = ErrorShape(to_error, language=ENGLISH)
NativeRoute = dialect_route(ERROR_SHAPE)

ERRORS = errors(ApiError, 400, 401, 403, 404, 409, 413, 415, 422, 503)
TOO_MANY = errors(ApiError, 429)

RunId = Annotated[str, Path(min_length=1, max_length=128)]
SweepId = Annotated[str, Path(min_length=1, max_length=64)]
DeploymentId = Annotated[str, Path(min_length=1, max_length=64)]
UserId = Annotated[str, Path(min_length=1, max_length=64)]
DatasetId = Annotated[str, Path(min_length=1, max_length=64)]
WebhookId = Annotated[str, Path(min_length=1, max_length=64)]
MessageId = Annotated[str, Path(min_length=1, max_length=64)]
KeyId = Annotated[str, Path(min_length=1, max_length=64)]
RangeHeader = Annotated[str | None, Header(alias="Range", max_length=200)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="The same key again answers with what was created the first time.",
    ),
]
