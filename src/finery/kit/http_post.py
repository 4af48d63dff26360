"""The interface for sending a POST to a user's URL, its answer and its error; kit.checked_post implements it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class PostFailed(Exception):
    """No answer came; the message says why."""


@dataclass(frozen=True)
class Answer:
    status: int
    excerpt: str
    """The start of the body, at most 1 KiB."""
    retry_after: float | None
    """Seconds of the Retry-After header."""


class HttpPoster(Protocol):
    def post(self, address: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Returns the answer of any status, without following redirects. Thread-safe. Raises PostFailed."""
