"""Error bodies of the studio dialect, and the path parameters that its routes share."""

from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel

from finery.http.errors import ErrorShape, dialect_route
from finery.http.openapi_responses import errors
from finery.http.problems import Problem

PREFIX = "/api"


class StudioIssue(BaseModel):
    field: str
    message: str
    line: int | None = None


class StudioError(BaseModel):
    detail: str
    errors: list[StudioIssue] = []


def to_error(problem: Problem) -> dict[str, Any]:
    issues = [{"field": issue.field, "message": issue.message, "line": issue.line} for issue in problem.issues]
    return {"detail": problem.message, "errors": issues}


ERROR_SHAPE = ErrorShape(to_error)
StudioRoute = dialect_route(ERROR_SHAPE)

ERRORS = errors(StudioError, 400, 401, 403, 404, 409, 413, 415, 422, 503)
TOO_MANY = errors(StudioError, 429)

UserId = Annotated[str, Path(min_length=1, max_length=64)]
KeyId = Annotated[str, Path(min_length=1, max_length=64)]
