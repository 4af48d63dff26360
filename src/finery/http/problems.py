"""Errors of requests (`Problem`), before a dialect gives them its own shape."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from starlette.exceptions import HTTPException

from finery.domain.errors import DomainError, ErrorKind, Issue
from finery.domain.issues import Issues
from finery.kit.translatable import Translatable, message_of

STATUSES: Mapping[ErrorKind, int] = {
    ErrorKind.INVALID: 422,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.FORBIDDEN: 403,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.FINISHED: 409,
    ErrorKind.TOO_LARGE: 413,
    ErrorKind.DISK_FULL: 507,
}
NOTHING_HERE = Translatable(
    "there is nothing at this address; /docs lists what there is, and OpenAI's API is below /v1"
)
RETRY_SECONDS = "2"
HEADERS: Mapping[ErrorKind, Mapping[str, str]] = {
    ErrorKind.UNAVAILABLE: {"Retry-After": RETRY_SECONDS},
    ErrorKind.UNAUTHENTICATED: {"WWW-Authenticate": "Bearer"},
}


@dataclass(frozen=True)
class Problem:
    status: int
    code: str
    message: str
    issues: tuple[Issue, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def told(self, tell: Callable[[str], str]) -> "Problem":
        """Returns the problem with what `tell` makes of each of its messages."""
        issues = tuple(replace(issue, message=tell(issue.message)) for issue in self.issues)
        return replace(self, message=tell(self.message), issues=issues)


class RequestRefused(HTTPException):
    """A request is answered with `problem`. It is an HTTPException: FastAPI wraps others while it reads bodies."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.status, problem.message, headers=dict(problem.headers))
        self.problem = problem


def domain_problem(error: DomainError, statuses: Mapping[ErrorKind, int]) -> Problem:
    status = statuses.get(error.kind, STATUSES[error.kind])
    return Problem(status, error.code, message_of(error), error.issues, HEADERS.get(error.kind, {}))


def invalid_request(issues: Issues | Iterable[Issue]) -> Problem:
    found = issues if isinstance(issues, Issues) else Issues.of(issues)
    return Problem(422, "invalid_request", found.summary, found.listed)


def unavailable(message: str) -> Problem:
    return Problem(503, "unavailable", message, headers={"Retry-After": RETRY_SECONDS})


def unreadable_body(message: str) -> RequestRefused:
    return RequestRefused(Problem(422, "unreadable_body", message, (Issue("", message),)))
