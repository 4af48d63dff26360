"""Events of runs for webhooks, and the interface by which an API renders them in its own format."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from finery.contracts.run import Run
from finery.contracts.webhooks import RunEventType


@dataclass(frozen=True)
class RunEvent:
    id: str
    type: RunEventType
    at: datetime
    run: Run
    """The run's current state, which may be later than the event."""


@dataclass(frozen=True)
class EventBody:
    type: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class WebhookEventRenderer:
    """Renders events in an API's own format; its webhooks may subscribe to `types`."""

    types: tuple[str, ...]
    make: Callable[[RunEvent], EventBody | None]
    """Returns None if the API has no such event. The body is JSON."""
