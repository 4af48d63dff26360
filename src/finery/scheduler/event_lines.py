"""Parses the lines of a trainer's events file, and makes their values safe to store."""

import math
import sys
from typing import Any

from pydantic import ValidationError

from finery.contracts.events import EventType, TrainerEvent
from finery.contracts.run import Progress
from finery.kit.clock import epoch_now

SERVER_ONLY = frozenset({EventType.STATUS, EventType.INTENT})
LATEST = 1e11
"""Epoch seconds; past it a date has five digits for its year."""


def parse_events(data: bytes, *, longest: int) -> tuple[list[TrainerEvent], int]:
    """Returns the events of the whole lines in `data`, and how many bytes those lines take.

    A line without its end waits for it, unless it is `longest` bytes already. A line that is no event becomes a notice.
    """
    end = data.rfind(b"\n") + 1
    if end == 0 and len(data) >= longest:
        return [_unreadable("an event line longer than 1 MiB was cut up and left out")], len(data)
    return [_parse(line) for line in data[:end].split(b"\n") if line.strip()], end


def _parse(line: bytes) -> TrainerEvent:
    try:
        event = TrainerEvent.model_validate_json(line)
    except ValidationError:
        return _unreadable("a line of the trainer's events could not be read and was left out")
    if event.type in SERVER_ONLY or not 0 <= event.at < LATEST:
        return _unreadable(f"an event of the trainer ({event.type}) is not its to tell, or has no possible time")
    data = storable(event.data)
    if event.type in (EventType.PROGRESS, EventType.STAGE):
        # The run's row keeps these, and every later answer reads them back.
        try:
            Progress.model_validate(data)
        except ValidationError:
            return _unreadable(f"a {event.type} event has a figure of a wrong type")
    return event.model_copy(update={"data": data})


def storable(value: Any) -> Any:
    """Returns `value` as databases take it in JSON and text: NUL is dropped, and what is no float becomes None: NaN,
    infinities, and whole numbers beyond a float's range, which Python alone would take."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if type(value) is int:
        return value if abs(value) <= sys.float_info.max else None
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    return value


def _unreadable(message: str) -> TrainerEvent:
    data = {"level": "warning", "code": "unreadable_event", "message": message}
    return TrainerEvent(type=EventType.NOTICE, at=epoch_now(), data=data)
