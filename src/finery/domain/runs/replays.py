"""The same request twice, and two requests that want the same thing."""

import hashlib
import json

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from finery.contracts.run import NewRun, Run
from finery.domain.runs.errors import IdempotencyMismatch, OutputTaken, RunExists
from finery.domain.runs.mapping import run_of
from finery.domain.runs.validation import Plan
from finery.models import RunRow


class IdCollided(Exception):
    """The id that was drawn is another run's already: draw again."""


def request_hash(new: NewRun) -> str:
    """SHA-256 (hex) of the request in canonical JSON."""
    return hashlib.sha256(json.dumps(new.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


def earlier_answer(session: Session, new: NewRun) -> Run | None:
    """The run that the same key was answered with before. Raises IdempotencyMismatch when the body differs."""
    if new.idempotency_key is None:
        return None
    query = select(RunRow).where(RunRow.source == new.source, RunRow.idempotency_key == new.idempotency_key)
    row = session.scalars(query).one_or_none()
    if row is None:
        return None
    if row.request_hash != request_hash(new):
        raise IdempotencyMismatch()
    return run_of(row)


def resolve_conflict(session: Session, new: NewRun, plan: Plan, error: IntegrityError) -> Run:
    """What a unique index meant: a replay that came first, a taken id, or a taken output directory."""
    if (before := earlier_answer(session, new)) is not None:
        return before
    if new.id is not None and _is_taken(session, new.id):
        raise RunExists(new.id) from error
    if new.id is None and _is_taken(session, plan.run_id):
        raise IdCollided() from error
    holder = session.scalars(select(RunRow.id).where(RunRow.output_key == plan.output_key)).first()
    if holder is not None:
        raise OutputTaken(plan.output_name or "", f"belongs to the unfinished run {holder!r}") from error
    raise error


def _is_taken(session: Session, run_id: str) -> bool:
    return session.scalars(select(RunRow.number).where(RunRow.id == run_id)).first() is not None
