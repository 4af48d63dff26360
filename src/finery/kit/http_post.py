"""A POST to an address that somebody else has named, and its answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class PostFailed(Exception):
    """There was no answer; the message says why."""


@dataclass(frozen=True)
class Answer:
    status: int
    excerpt: str
    """Of its body, at most 1 KiB."""
    retry_after: float | None
    """Seconds, as it asks for."""


class HttpPoster(Protocol):
    def post(self, address: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Whatever it answers, redirects too; usable from several threads at once. Raises NotPosted."""
