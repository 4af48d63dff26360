"""What a run left behind: events, figures, artifacts."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finery.contracts.events import Event, EventType
from finery.contracts.run import Artifact
from finery.domain.runs.errors import ArtifactNotFound
from finery.domain.runs.mapping import artifact_of
from finery.domain.runs.rows import find_row
from finery.models import ArtifactRow, EventRow

FIGURES = (EventType.PROGRESS, EventType.EVALUATION)


def list_events(session: Session, run_id: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
    """In order, those numbered past `after`."""
    row = find_row(session, run_id)
    query = (
        select(EventRow)
        .where(EventRow.run_number == row.number, EventRow.sequence > after)
        .order_by(EventRow.sequence)
        .limit(limit)
    )
    return [
        Event(
            run_id=run_id,
            sequence=found.sequence,
            type=EventType(found.type),
            at=found.at,
            attempt=found.attempt,
            data=found.data,
        )
        for found in session.scalars(query)
    ]


def metrics(session: Session, run_id: str, *, points: int) -> list[dict[str, Any]]:
    """The figures in order, thinned out evenly to about `points` training rows; evaluations are all kept."""
    row = find_row(session, run_id)
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
        .where(mine, EventRow.type.in_(FIGURES))
        .subquery()
    )
    stride = max(1, -(-total // max(1, points)))
    kept = (numbered.c.type == EventType.EVALUATION) | ((total - numbered.c.rank) % stride == 0)
    query = select(numbered.c.type, numbered.c.at, numbered.c.data).where(kept).order_by(numbered.c.sequence)
    return [{"type": type_, "at": at, **data} for type_, at, data in session.execute(query)]


def list_artifacts(session: Session, run_id: str) -> list[Artifact]:
    row = find_row(session, run_id)
    query = select(ArtifactRow).where(ArtifactRow.run_number == row.number).order_by(ArtifactRow.id)
    return [artifact_of(found, run_id) for found in session.scalars(query)]


def get_artifact(session: Session, run_id: str, artifact_id: int) -> Artifact:
    """Raises ArtifactNotFound."""
    row = find_row(session, run_id)
    query = select(ArtifactRow).where(ArtifactRow.run_number == row.number, ArtifactRow.id == artifact_id)
    found = session.scalars(query).one_or_none()
    if found is None:
        raise ArtifactNotFound(run_id, artifact_id)
    return artifact_of(found, run_id)
