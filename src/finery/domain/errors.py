"""The shape of every error that the domain raises; a class per situation lives beside its service."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class ErrorKind(StrEnum):
    INVALID = "invalid"
    """The request names something impossible (HTTP 422 where the dialect has no other word)."""
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    """Not now, or not twice."""
    UNAUTHENTICATED = "unauthenticated"
    """It is not known who asks (HTTP 401)."""
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"
    """Try again later."""
    FINISHED = "finished"
    """Too late: it has ended (400 in the jobs dialect, 409 elsewhere)."""
    TOO_LARGE = "too_large"
    DISK_FULL = "disk_full"


@dataclass(frozen=True)
class Issue:
    """One thing wrong with a request."""

    field: str
    """Dotted: `config.learning_rate`; empty for the whole."""
    message: str
    line: int | None = None
    """Of the dataset file, counted from 1."""
    code: str = "invalid"
    """Stable, for programs: `unknown_key`, `missing`, a word of pydantic's for the kind of error, or an error's own."""


class DomainError(Exception):
    """`str(error)` is written for the user: what is wrong, where, and the remedy."""

    kind: ClassVar[ErrorKind]
    code: str
    """Stable, for programs: `run_not_found`."""

    def __init__(self, message: str, *, field: str | None = None, issues: Sequence[Issue] = ()) -> None:
        """`field`: the one that all of the message is about; `issues` come besides."""
        super().__init__(message)
        self.issues = (*issues,) if field is None else (Issue(field, message, code=self.code), *issues)
