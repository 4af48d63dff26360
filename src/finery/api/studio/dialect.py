"""The error bodies of the studio dialect, and the parameters that its routes share."""

from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel

from finery.http.errors import ErrorShape, dialect_route
from finery.http.openapi_responses import errors
from finery.http.problems import Problem

PREFIX = "/api"


class StudioFlaw(BaseModel):
    field: str
    message: str
    line: int | None = None


class StudioError(BaseModel):
    detail: str
    errors: list[StudioFlaw] = []


def to_error(problem: Problem) -> dict[str, Any]:
    flaws = [{"field": flaw.field, "message": flaw.message, "line": flaw.line} for flaw in problem.flaws]
    return {"detail": problem.message, "errors": flaws}


ERROR_SHAPE = ErrorShape(to_error)
StudioRoute = dialect_route(ERROR_SHAPE)

ERRORS = errors(StudioError, 400, 401, 403, 404, 409, 413, 415, 422, 503)
TOO_MANY = errors(StudioError, 429)

UserId = Annotated[str, Path(min_length=1, max_length=64)]
KeyId = Annotated[str, Path(min_length=1, max_length=64)]
