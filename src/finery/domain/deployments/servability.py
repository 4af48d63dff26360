"""Knows the architectures that an engine here has found that it cannot serve rightly, for runs that would train one.

The verdicts come from deployments: the last that came up or failed for it says what is known of its architecture.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.deployment import DeploymentStatus
from finery.contracts.events import NoticeData
from finery.domain.context import DomainContext
from finery.domain.deployments.memory_estimate import architecture_of
from finery.models import DeploymentRow

MOST_READ = 500
"""Deployments that are looked at after a start of the server."""


def load_verdicts(session: Session, context: DomainContext) -> None:
    """Read, at a start, what is known from deployments of earlier."""
    query = select(DeploymentRow).where(DeploymentRow.status != DeploymentStatus.STARTING)
    known: set[str] = set()
    for row in session.scalars(query.order_by(DeploymentRow.created_at.desc()).limit(MOST_READ)):
        architecture = row.details.architecture
        has_said = row.started_at is not None or row.details.is_unservable
        if architecture is None or architecture in known or not has_said:
            continue
        known.add(architecture)
        note_verdict(architecture, row.error if row.details.is_unservable else None, context)


def note_verdict(architecture: str | None, error: str | None, context: DomainContext) -> None:
    """Remember why models of this architecture cannot be served, or with None that they can."""
    if architecture is None:
        return
    if error is None:
        context.live.unservable.pop(architecture, None)
    else:
        context.live.unservable[architecture] = error


def notices_of(model: str, context: DomainContext) -> tuple[NoticeData, ...]:
    """Return a notice for a run on a model whose architecture is known not to be served rightly here."""
    if not context.live.unservable:
        return ()
    architecture = architecture_of(model, context)
    error = None if architecture is None else context.live.unservable.get(architecture)
    if error is None:
        return ()
    message = f"the trained model would not be served here: of another model of its architecture it was said: {error}"
    return (NoticeData(level="warning", code="not_servable", message=message[:2000], setting="model_name"),)
