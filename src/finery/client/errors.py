"""Exceptions of the Python client."""

from collections.abc import Sequence
from dataclasses import dataclass


class ClientError(Exception):
    """Base class of everything that this package raises about a server."""


@dataclass(frozen=True)
class Issue:
    """One thing that is wrong with a request."""

    field: str | None
    message: str
    line: int | None = None
    """The line of the dataset or configuration file, where the issue lies in one."""
    code: str = "invalid"

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line is not None else ""
        named = not self.field or self.message.startswith(self.field)
        return f"{place}{self.message}" if named else f"{place}{self.field}: {self.message}"


class FineryError(ClientError):
    """Raised when the server refuses a request or fails at it; `code` is stable, `message` is for people."""

    def __init__(self, *, code: str, message: str, issues: Sequence[Issue] = (), status: int) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.issues = list(issues)
        self.status = status

    @property
    def is_refusal(self) -> bool:
        """True when the request was at fault, not the server."""
        return 400 <= self.status < 500

    def __str__(self) -> str:
        issues = [str(issue) for issue in self.issues]
        return "; ".join(issues) if issues else self.message


class BadConnection(ClientError):
    """Raised for a malformed address or key; the message names it."""


class ServerUnreachable(ClientError):
    """Raised when nothing answers at the server's address."""

    def __init__(self, url: str, detail: str) -> None:
        super().__init__(
            f"no Finery server answers at {url} ({detail}): start one with `finery server`, "
            "or set FINERY_URL to where it listens"
        )
        self.url = url
