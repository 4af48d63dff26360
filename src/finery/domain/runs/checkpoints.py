"""Lists the checkpoints of a run that still exist, with their metrics."""

import math
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.checkpoint import Checkpoint
from finery.contracts.events import EventType
from finery.contracts.permissions import Principal
from finery.domain.runs.queries import find_row
from finery.models import EventRow

EVENT_TYPES = (EventType.PROGRESS, EventType.EVALUATION, EventType.CHECKPOINT)


def list_checkpoints(session: Session, run_id: str, actor: Principal) -> list[Checkpoint]:
    """List checkpoints by step, the newest first. A step that was saved again after a resume counts once."""
    number = find_row(session, run_id, actor).number
    query = select(EventRow.type, EventRow.at, EventRow.data).where(
        EventRow.run_number == number, EventRow.type.in_(EVENT_TYPES)
    )
    metrics: dict[int, dict[str, float]] = {}
    evaluations: dict[int, dict[str, float]] = {}
    saved: dict[int, tuple[float, str]] = {}
    for kind, at, data in session.execute(query.order_by(EventRow.sequence)):
        step = int(data.get("step") or 0)
        if kind == EventType.CHECKPOINT:
            saved[step] = (at, str(data.get("path")))
        else:
            (metrics if kind == EventType.PROGRESS else evaluations)[step] = _numbers(data)
    existing = [(step, at, path) for step, (at, path) in saved.items() if Path(path).is_dir()]
    return [
        Checkpoint(
            step=step, at=at, path=path, metrics=_newest(metrics, step), evaluation=evaluations.get(step, {})
        )
        for step, at, path in sorted(existing, reverse=True)
    ]  # fmt: skip


def _newest(metrics: dict[int, dict[str, float]], step: int) -> dict[str, float]:
    earlier = [known for known in metrics if known <= step]
    return metrics[max(earlier)] if earlier else {}


def _numbers(data: dict[str, Any]) -> dict[str, float]:
    return {
        name: value
        for name, value in data.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
