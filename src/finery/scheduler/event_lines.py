"""The trainer's event lines, made safe to store."""

import math
from typing import Any

from pydantic import ValidationError

from finery.contracts.events import EventType, TrainerEvent
from finery.contracts.run import Progress
from finery.kit.clock import epoch_now

SERVERS_OWN = frozenset({EventType.STATUS, EventType.INTENT})
LATEST = 1e11
"""Epoch seconds; past it a date has five digits for its year."""


def parse_events(data: bytes, *, longest: int) -> tuple[list[TrainerEvent], int]:
    """The events of the whole lines in `data`, and how many bytes those lines take.

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
    if event.type in SERVERS_OWN or not 0 <= event.at < LATEST:
        return _unreadable(f"an event of the trainer ({event.type}) is not its to tell, or has no possible time")
    event = event.model_copy(update={"data": storable(event.data)})
    return event if _is_well_formed(event) else _unreadable(f"a {event.type} event has a figure of a wrong type")


def _is_well_formed(event: TrainerEvent) -> bool:
    """Whether what is kept on the run itself can be read back from it."""
    if event.type is not EventType.PROGRESS and event.type is not EventType.STAGE:
        return True
    try:
        Progress.model_validate(event.data)
    except ValidationError:
        return False
    return True


def storable(value: Any) -> Any:
    """`value` without what a database's JSON or text refuses: NaN and infinities become None, NUL is dropped."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
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
