"""Answers a repeated request with the run of the first time, and resolves conflicts of concurrent requests."""

import hashlib
import json
from datetime import timedelta
from threading import Event, Lock
from typing import Any

from sqlalchemy import and_, event, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, SessionTransaction

from finery.contracts.permissions import Principal
from finery.contracts.run import NewRun, Run
from finery.contracts.status import Intent, Reason, RunStatus
from finery.domain.ownership import SHOWN_ID, client_key, owner_scoped_key, runs_visible_to
from finery.domain.runs.errors import IdempotencyMismatch, OutputTaken, RunExists, StillWorkedOn
from finery.domain.runs.mapping import run_of
from finery.domain.runs.validation import Plan
from finery.kit.clock import utc_now
from finery.models import RunRow

RETRIED_WITHIN = timedelta(minutes=10)
"""Retries of a client come within a minute or two, and the server may have been restarted in between."""
PATIENCE_SECONDS = 30.0
"""How long a retry waits for its first request."""

_lock = Lock()
_in_flight: dict[str, list[Event]] = {}
"""By key, what is set at the end of each request that is under way."""


class IdCollided(Exception):
    """The random id belongs to another run already: draw another."""


def request_hash(new: NewRun) -> str:
    """Return what tells this request from another that is sent with the same key."""
    # Requests from before runs could be shared keep their hashes.
    left_out = {"id_prefix", "is_retry", "keep_refused", "resumed_from", "sweep_id"} | (
        set() if new.shared else {"shared"}
    )
    return hash_of(new.model_dump(mode="json", exclude=left_out))


def hash_of(body: dict[str, Any]) -> str:
    """Return the SHA-256 (hex) of a request in canonical JSON."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def stored_key(new: NewRun, actor: Principal) -> str | None:
    """Return the key for the unique column. Keys of different owners neither answer for each other nor conflict."""
    return None if new.idempotency_key is None else owner_scoped_key(actor, new.idempotency_key)


def earlier_answer(session: Session, new: NewRun, actor: Principal) -> Run | None:
    """Return the run that answered the same key before, or None. Raises IdempotencyMismatch when the body differs."""
    key = stored_key(new, actor)
    if key is None:
        return _sent_before(session, new, actor) if new.is_retry else None
    query = select(RunRow).where(RunRow.source == new.source, RunRow.idempotency_key == key)
    row = session.scalars(query).one_or_none()
    if row is None:
        return None
    # The key of a resumed run is made by the server, and its name, labels and sharing come from the run before, which
    # may have changed between two requests.
    if new.resumed_from is None and row.request_hash != request_hash(new):
        raise IdempotencyMismatch()
    return run_of(row)


def request_key(new: NewRun, actor: Principal) -> str:
    """Return a key that is equal for requests of which one may be the other's retry."""
    return owner_scoped_key(actor, f"{new.source}:{request_hash(new)}")


def wait_for_first(session: Session, key: str, *, is_retry: bool) -> None:
    """Register `key` until the session's transaction ends; a retry waits for the requests that registered it before.

    These are committed or rolled back then, so that a query finds what they created. A request waits only for earlier
    ones, so that no two wait for each other. Raises StillWorkedOn.
    """
    ended = Event()
    with _lock:
        earlier = list(_in_flight.setdefault(key, []))
        _in_flight[key].append(ended)
    _unregister_at_end(session, key, ended)
    if is_retry and not all(request.wait(PATIENCE_SECONDS) for request in earlier):
        raise StillWorkedOn


def _unregister_at_end(session: Session, key: str, ended: Event) -> None:
    # There may be no transaction yet: it begins with the first statement.
    outermost = session.get_transaction() or session.begin()

    def unregister(_: Session, transaction: SessionTransaction) -> None:
        if transaction is not outermost:
            return
        with _lock:
            _in_flight[key].remove(ended)
            if not _in_flight[key]:
                del _in_flight[key]
        ended.set()

    # The listener goes with its session, which serves one request.
    event.listen(session, "after_transaction_end", unregister)


def _sent_before(session: Session, new: NewRun, actor: Principal) -> Run | None:
    """Find the run of the same request without a key, which the client says to be a retry."""
    query = select(RunRow).where(
        RunRow.source == new.source,
        RunRow.owner_id == actor.user_id if actor.user_id is not None else RunRow.owner_id.is_(None),
        RunRow.request_hash == request_hash(new),
        RunRow.created_at >= utc_now() - RETRIED_WITHIN,
    )
    row = session.scalars(query.order_by(RunRow.number.desc()).limit(1)).one_or_none()
    return None if row is None or _is_given_up(row) else run_of(row)


def _is_given_up(row: RunRow) -> bool:
    """Return whether a repeated request wants another run: this one was cancelled or failed, but not for bad data."""
    if row.status == RunStatus.FAILED:
        return row.reason != Reason.INVALID_DATA
    return row.status == RunStatus.CANCELLED or row.intent == Intent.CANCEL


def resolve_conflict(session: Session, new: NewRun, plan: Plan, error: IntegrityError, actor: Principal) -> Run:
    """Find out which unique index was violated: return a replay that came first, or raise.

    Raises RunExists, IdCollided, OutputTaken, IdempotencyMismatch, else the error itself.
    """
    if (before := earlier_answer(session, new, actor)) is not None:
        return before
    refuse_taken_id(session, new, actor)
    if session.scalars(select(RunRow.number).where(RunRow.id == plan.run_id)).first() is not None:
        raise (RunExists(plan.run_id) if plan.run_id == new.id else IdCollided()) from error
    holder = select(SHOWN_ID).where(RunRow.output_key == plan.output_key)
    if (seen := session.scalars(holder.where(runs_visible_to(actor))).first()) is not None:
        raise OutputTaken(plan.output_name or "", f"belongs to the unfinished run {seen!r}") from error
    if session.scalars(holder).first() is not None:
        raise OutputTaken(plan.output_name or "", "is taken") from error
    raise error


def refuse_taken_id(session: Session, new: NewRun, actor: Principal) -> None:
    """Raises RunExists for an id of the actor's own runs; ids of other users do not conflict."""
    if new.id is None:
        return
    own = RunRow.owner_id == actor.user_id if actor.user_id is not None else RunRow.owner_id.is_(None)
    is_it = or_(RunRow.client_key == client_key(actor.user_id, new.id), and_(RunRow.id == new.id, own))
    if session.scalars(select(RunRow.number).where(is_it)).first() is not None:
        raise RunExists(new.id)
