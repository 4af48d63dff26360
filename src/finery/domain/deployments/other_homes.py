"""Engines of a home that is not this one: they cannot be told from strangers', and are left to it."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.domain.deployments.lifecycle import finish
from finery.models import DeploymentRow

MESSAGE = "its engine was started by another home, where it may still run; deploy the model anew to serve it here"


def end_all(session: Session) -> int:
    """Record every deployment that has not ended as ended; how many there were."""
    query = select(DeploymentRow.id, DeploymentRow.token).where(DeploymentRow.finished_at.is_(None))
    live = session.execute(query).all()
    for deployment_id, token in live:
        finish(session, deployment_id, token, MESSAGE)
    return len(live)
