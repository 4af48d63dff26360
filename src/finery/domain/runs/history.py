"""Reads the events, metrics and artifacts of a run."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finery.contracts.events import Event, EventType, event_of
from finery.contracts.permissions import SERVER, Principal
from finery.contracts.run import Artifact
from finery.domain.context import DomainContext
from finery.domain.path_access import is_hidden, run_of_output
from finery.domain.runs.errors import ArtifactNotFound
from finery.domain.runs.mapping import artifact_of, shown_id
from finery.domain.runs.notices import Visibility
from finery.domain.runs.queries import find_row
from finery.kit.paths import PathRefused
from finery.models import ArtifactRow, EventRow, RunRow

ALL_TYPES: Collection[EventType] = frozenset(EventType)
METRIC_EVENTS = (EventType.PROGRESS, EventType.EVALUATION)
METRICS_AT_ONCE = 1000
"""So many rows are in memory at once."""


@dataclass(frozen=True)
class FeedPart:
    events: list[Event]
    visibility: Visibility


def list_events(
    session: Session,
    run_id: str,
    actor: Principal,
    *,
    after: int = 0,
    limit: int = 1000,
    types: Collection[EventType] = ALL_TYPES,
) -> list[Event]:
    """List the events of `types` numbered above `after`, in order."""
    return _events_after(session, find_row(session, run_id, actor), after, limit, types)


def read_feed(session: Session, run_id: str, *, after: int, limit: int) -> FeedPart:
    """Read the events numbered above `after` for those who follow the run, whose right to see it the caller checks
    by the same reading. Raises RunNotFound."""
    row = find_row(session, run_id, SERVER)
    return FeedPart(_events_after(session, row, after, limit), Visibility(row.owner_id, row.shared))


def list_events_backwards(
    session: Session, run_id: str, actor: Principal, *, before: int | None, limit: int, types: Collection[EventType]
) -> list[Event]:
    """List the events of `types` numbered below `before`, newest first."""
    row = find_row(session, run_id, actor)
    query = select(EventRow).where(EventRow.run_number == row.number, EventRow.type.in_(types))
    if before is not None:
        query = query.where(EventRow.sequence < before)
    rows = session.scalars(query.order_by(EventRow.sequence.desc()).limit(limit))
    return [_event_of(found, row) for found in rows]


def metrics(session: Session, run_id: str, actor: Principal, *, points: int) -> list[dict[str, Any]]:
    """Return the metrics in order, thinned out evenly to about `points` training rows; all evaluations are kept."""
    row = find_row(session, run_id, actor)
    mine = EventRow.run_number == row.number
    total = session.scalar(select(func.count()).where(mine, EventRow.type == EventType.PROGRESS)) or 0
    numbered = (
        select(
            EventRow.type,
            EventRow.at,
            EventRow.data,
            EventRow.sequence,
            func.row_number().over(partition_by=EventRow.type, order_by=EventRow.sequence).label("rank"),
        )
        .where(mine, EventRow.type.in_(METRIC_EVENTS))
        .subquery()
    )
    stride = max(1, -(-total // max(1, points)))
    kept = (numbered.c.type == EventType.EVALUATION) | ((total - numbered.c.rank) % stride == 0)
    query = select(numbered.c.type, numbered.c.at, numbered.c.data).where(kept).order_by(numbered.c.sequence)
    return [{"type": type_, "at": at, **data} for type_, at, data in session.execute(query)]


def iter_metrics(session: Session, run_id: str, actor: Principal) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield all metrics in order, each with its event's type. The session must run no other query meanwhile."""
    row = find_row(session, run_id, actor)
    query = (
        select(EventRow.type, EventRow.data)
        .where(EventRow.run_number == row.number, EventRow.type.in_(METRIC_EVENTS))
        .order_by(EventRow.sequence)
        .execution_options(yield_per=METRICS_AT_ONCE)
    )
    for found in session.execute(query):
        yield found.type, found.data


def list_artifacts(session: Session, run_id: str, actor: Principal) -> list[Artifact]:
    row = find_row(session, run_id, actor)
    query = select(ArtifactRow).where(ArtifactRow.run_number == row.number).order_by(ArtifactRow.id)
    return [artifact_of(found, run_id) for found in session.scalars(query)]


def get_artifact(session: Session, run_id: str, artifact_id: int, actor: Principal, context: DomainContext) -> Artifact:
    """Raises RunNotFound, and ArtifactNotFound, also where another run has put its own in the same place."""
    row = find_row(session, run_id, actor)
    query = select(ArtifactRow).where(ArtifactRow.run_number == row.number, ArtifactRow.id == artifact_id)
    found = session.scalars(query).one_or_none()
    if found is None or _is_anothers(session, found.path, row.id, actor, context):
        raise ArtifactNotFound(run_id, artifact_id)
    return artifact_of(found, run_id)


def _is_anothers(session: Session, name: str, run_id: str, actor: Principal, context: DomainContext) -> bool:
    try:
        path = context.resolver.resolve(name)
    except PathRefused:
        return True
    is_made_since = any(run_of_output(folder) not in (None, run_id) for folder in (path, path.parent))
    return is_made_since or is_hidden(session, path, actor, context)


def _events_after(
    session: Session, row: RunRow, after: int, limit: int, types: Collection[EventType] = ALL_TYPES
) -> list[Event]:
    query = select(EventRow).where(EventRow.run_number == row.number, EventRow.sequence > after)
    if types is not ALL_TYPES:
        query = query.where(EventRow.type.in_(types))
    query = query.order_by(EventRow.sequence).limit(limit)
    return [_event_of(found, row) for found in session.scalars(query)]


def _event_of(row: EventRow, run: RunRow) -> Event:
    return event_of(
        EventType(row.type),
        _without_home(row, run),
        run_id=shown_id(run),
        sequence=row.sequence,
        at=row.at,
        attempt=row.attempt,
    )


def _without_home(row: EventRow, run: RunRow) -> dict[str, Any]:
    """Return the event's data, with a checkpoint's path relative to the home, which clients need not see."""
    if row.type != EventType.CHECKPOINT or "path" not in row.data:
        return row.data
    path = PurePath(str(row.data["path"]))
    within = PurePath("runs", run.id, "checkpoints", path.name)
    return {**row.data, "path": str(within)} if path.parts[-4:] == within.parts else row.data
