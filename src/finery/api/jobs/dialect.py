"""Error bodies of the jobs dialect, and the path and header parameters that its routes share."""

from typing import Annotated, Any

from fastapi import Depends, Header, Path
from pydantic import BaseModel

from finery.domain.errors import ErrorKind
from finery.http.errors import ErrorShape, dialect_route
from finery.http.languages import ENGLISH, Language, in_language
from finery.http.openapi_responses import errors
from finery.http.problems import Problem


class JobsIssue(BaseModel):
    field: str
    message: str
    line: int | None = None


class JobsError(BaseModel):
    detail: str
    errors: list[JobsIssue] = []


def to_error(problem: Problem) -> dict[str, Any]:
    issues = [
        {"field": issue.field.removeprefix("config."), "message": issue.message}
        | ({"line": issue.line} if issue.line is not None else {})
        for issue in problem.issues
    ]
    return {"detail": problem.message, "errors": issues}


LANGUAGE = ENGLISH
"""Of its messages, where a request asks for none."""
AnswerLanguage = Annotated[Language, Depends(in_language(LANGUAGE))]
"""For routes whose good answers have messages."""

ERROR_SHAPE = ErrorShape(to_error, {ErrorKind.FINISHED: 400}, language=LANGUAGE)
JobsRoute = dialect_route(ERROR_SHAPE)
ModelRoute = dialect_route(ErrorShape(to_error, {ErrorKind.INVALID: 400}, language=LANGUAGE))
"""For inference routes, where a path that is no model is answered with 400."""

ERRORS = errors(JobsError, 400, 401, 403, 404, 409, 413, 415, 422, 503)

JobId = Annotated[str, Path(min_length=1, max_length=128)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="The same key again answers with the job of the first time.",
    ),
]
