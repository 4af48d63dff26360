"""Error bodies and codes of the OpenAI dialect, and the path, query and header parameters that its routes share."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Header, Path, Query
from pydantic import BaseModel

from finery.domain.errors import DomainError, ErrorKind
from finery.domain.issues import UNKNOWN_KEY
from finery.http.errors import ErrorShape, dialect_route
from finery.http.openapi_responses import errors
from finery.http.problems import Problem

PREFIX = "/v1"

TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
CODES: Mapping[str, str] = {
    "model_refused": "model_not_found",
    "dataset_refused": "invalid_training_file",
    "dataset_not_found": "file_not_found",
    "key_refused": "invalid_api_key",
    "login_needed": "invalid_api_key",
    "not_found": "unknown_url",
    "invalid_request": "invalid_value",
    "invalid_run": "invalid_value",
    "engine_refused": "invalid_value",
}
"""Error codes of the domain → OpenAI's, where they differ."""
PARAMETERS: Mapping[str, str] = {
    "model_name": "model",
    "dataset_path": "training_file",
    "eval_dataset_path": "validation_file",
}
"""Fields of a recipe's configuration → the request parameters that they come from."""


class OpenAIJobNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "fine_tuning_job_not_found"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"there is no fine-tuning job {job_id[:100]!r}", field="fine_tuning_job_id")


class OpenAIErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIError(BaseModel):
    error: OpenAIErrorDetail


def to_error(problem: Problem) -> dict[str, Any]:
    kind = "server_error" if problem.status >= 500 else TYPES.get(problem.status, "invalid_request_error")
    unknown = any(issue.code == UNKNOWN_KEY for issue in problem.issues)
    code = "unknown_parameter" if unknown else CODES.get(problem.code, problem.code)
    field = problem.issues[0].field.removeprefix("config.") if problem.issues else ""
    parameter = PARAMETERS.get(field, field) or None
    return {"error": {"message": problem.message, "type": kind, "param": parameter, "code": code}}


ERROR_SHAPE = ErrorShape(to_error, {ErrorKind.INVALID: 400, ErrorKind.FINISHED: 400}, {422: 400})
OpenAIRoute = dialect_route(ERROR_SHAPE)

ERRORS = errors(OpenAIError, 400, 401, 403, 404, 409, 413, 415, 429, 503)

RetryCount = Annotated[
    str | None,
    Header(
        alias="X-Stainless-Retry-Count",
        max_length=20,
        description="How often the SDK has sent this before: what it lost the answer to is not done twice.",
    ),
]
JobId = Annotated[str, Path(min_length=1, max_length=128)]
After = Annotated[str | None, Query(max_length=200, description="The id of the last object of the page before.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="The same key again answers with the job of the first time.",
    ),
]


def is_retry(count: str | None) -> bool:
    return count is not None and count != "0"
