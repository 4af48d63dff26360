"""What happened to a run, and how an API tells its webhooks of it."""

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
    """As it is now, which may be later than the event."""


@dataclass(frozen=True)
class EventBody:
    type: str
    body: Mapping[str, Any]
    """JSON."""


@dataclass(frozen=True)
class EventMaker:
    """An API's own words for events; its webhooks may ask for these types."""

    types: tuple[str, ...]
    make: Callable[[RunEvent], EventBody | None]
    """None: the API has no word for it."""
