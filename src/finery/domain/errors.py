"""DomainError, the base of all errors of the domain; each slice has its classes in its own `errors`."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from finery.kit.translatable import Translatable


class ErrorKind(StrEnum):
    INVALID = "invalid"
    """The request names something impossible (HTTP 422 where the dialect has no other word)."""
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    """The state of what is named does not allow it now, or it exists already."""
    UNAUTHENTICATED = "unauthenticated"
    """The request has no valid credentials (HTTP 401)."""
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"
    """Try again later."""
    FINISHED = "finished"
    """It is too late, since the run has ended (400 in the jobs dialect, 409 elsewhere)."""
    TOO_LARGE = "too_large"
    DISK_FULL = "disk_full"


@dataclass(frozen=True)
class Issue:
    """One thing wrong with a request."""

    field: str
    """A dotted path, as `config.learning_rate`; empty for the whole request."""
    message: str
    line: int | None = None
    """The line of the dataset file, counted from 1."""
    code: str = "invalid"
    """A stable word for programs: `unknown_key`, `missing`, another type of pydantic's, or a DomainError's code."""


class DomainError(Exception):
    """`str(error)` is written for the user: what is wrong, where, and the remedy."""

    kind: ClassVar[ErrorKind]
    code: str
    """A stable word for programs, as `run_not_found`."""

    def __init__(self, message: str, *, field: str | None = None, issues: Sequence[Issue] = ()) -> None:
        """`field` is the one that the whole message is about; `issues` are further ones."""
        super().__init__(message)
        self.issues = (*issues,) if field is None else (Issue(field, message, code=self.code), *issues)


class InvalidField(DomainError):
    """One field of a request is invalid; each slice has a class with a code of its own."""

    kind = ErrorKind.INVALID

    def __init__(self, field: str, message: str) -> None:
        super().__init__(
            Translatable("{field}: {message}", field=field, message=message), issues=[Issue(field, message)]
        )
