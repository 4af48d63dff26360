"""Lists the checkpoints of a run that still exist, with their metrics."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.checkpoint import Checkpoint
from finery.contracts.events import EventType
from finery.contracts.permissions import Principal
from finery.domain.runs.queries import find_row
from finery.kit.numbers import is_finite_number
from finery.models import EventRow

ROWS_AT_ONCE = 1000


def list_checkpoints(session: Session, run_id: str, actor: Principal) -> list[Checkpoint]:
    """List checkpoints by step, the newest first. A step that was saved again after a resume counts once."""
    number = find_row(session, run_id, actor).number
    saved: dict[int, tuple[float, str]] = {}
    for at, data in _events(session, number, EventType.CHECKPOINT):
        step = data.get("step")
        if type(step) is int and Path(str(data.get("path"))).is_dir():
            saved[step] = (at, str(data["path"]))
    steps = sorted(saved)
    metrics = _newest_up_to(steps, _events(session, number, EventType.PROGRESS)) if steps else {}
    evaluations = _newest_up_to(steps, _events(session, number, EventType.EVALUATION)) if steps else {}
    return [
        Checkpoint(
            step=step,
            at=saved[step][0],
            path=saved[step][1],
            metrics=_numbers(metrics.get(step, {})),
            evaluation=_numbers(evaluations.get(step, {})) if evaluations.get(step, {}).get("step") == step else {},
        )
        for step in reversed(steps)
    ]


def _events(session: Session, number: int, kind: EventType) -> Iterator[tuple[float, dict[str, Any]]]:
    query = select(EventRow.at, EventRow.data).where(EventRow.run_number == number, EventRow.type == kind)
    rows = session.execute(query.order_by(EventRow.sequence).execution_options(yield_per=ROWS_AT_ONCE))
    return ((row.at, row.data) for row in rows)


def _newest_up_to(steps: list[int], events: Iterable[tuple[float, dict[str, Any]]]) -> dict[int, dict[str, Any]]:
    """Returns for each of the sorted steps the data of the event at it or nearest before it.

    One pass over the events, of which only as many are kept as there are steps.
    """
    nearest: dict[int, dict[str, Any]] = {}
    for _, data in events:
        step = data.get("step")
        if type(step) is not int or (place := bisect_left(steps, step)) == len(steps):
            continue
        # Told again by a later attempt, the later one counts.
        if step >= nearest.get(steps[place], data)["step"]:
            nearest[steps[place]] = data
    found: dict[int, dict[str, Any]] = {}
    newest: dict[str, Any] = {}
    for step in steps:
        newest = nearest.get(step, newest)
        found[step] = newest
    return found


def _numbers(data: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in data.items() if is_finite_number(value)}
