"""Exceptions of the Python client."""

from collections.abc import Sequence
from dataclasses import dataclass

from finery.kit.grouped_flaws import group_flaws

MAX_NAMED = 5
"""How many of the ids that a beginning could mean are named."""


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
        return f"{place}{self.text}"

    @property
    def text(self) -> str:
        """Field and message, without the line."""
        named = not self.field or self.message.startswith(self.field)
        return self.message if named else f"{self.field}: {self.message}"


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
        issues = group_flaws((issue.line, issue.text) for issue in self.issues)
        return "; ".join(issues) if issues else self.message


def ambiguous(kind: str, beginning: str, ids: Sequence[str]) -> FineryError:
    """Returns the refusal of a beginning that several ids have; it names MAX_NAMED of them."""
    named = ", ".join(ids[:MAX_NAMED]) + (", …" if len(ids) > MAX_NAMED else "")
    message = f"several {kind}s begin with {beginning!r}: {named}; give more of the id"
    return FineryError(code=f"{kind}_ambiguous", message=message, status=409)


class BadConnection(ClientError):
    """Raised for a malformed address or key; the message names it."""


class ServerUnreachable(ClientError):
    """Raised when nothing answers at the server's address, or not in a way that can be spoken with."""

    def __init__(self, url: str, detail: str, *, problem: str | None = None) -> None:
        """`problem` is the whole message where more is known than that nothing answers."""
        super().__init__(
            problem
            or f"no Finery server answers at {url} ({detail}): start one with `finery server`, "
            "or set FINERY_URL to where it listens"
        )
        self.url = url
