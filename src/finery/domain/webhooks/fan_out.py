"""Writes the messages to webhooks for the changes of runs in the outbox."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.permissions import Level, Permission, permissions_of
from finery.contracts.run import Run
from finery.contracts.webhook_events import EventBody, RunEvent, WebhookEventRenderer
from finery.contracts.webhooks import MessageState, WebhookScope
from finery.domain.context import DomainContext
from finery.domain.runs.mapping import run_of
from finery.domain.webhooks.payloads import EVENT_OF_OUTBOX, event_id, message_id, renderers_of, to_text
from finery.kit.clock import TOLERANCE, utc_now
from finery.models import OutboxRow, RunRow, UserRow, WebhookMessageRow, WebhookRow


def has_undelivered(session: Session) -> bool:
    return session.scalar(select(OutboxRow.id).where(OutboxRow.delivered_at.is_(None)).limit(1)) is not None


def fan_out(session: Session, context: DomainContext, *, limit: int) -> int:
    """Write the messages for the oldest `limit` changes in the outbox, and return how many changes there were.

    Outbox and messages change in this one transaction: whatever ends it early leaves both as they were.
    """
    undelivered = select(OutboxRow).where(OutboxRow.delivered_at.is_(None))
    changes = session.scalars(undelivered.order_by(OutboxRow.id).limit(limit).with_for_update()).all()
    now = utc_now()
    wanted_by = list(targets(session, now)) if changes else []
    numbers = {change.run_number for change in changes} if wanted_by else set()
    rows = session.scalars(select(RunRow).where(RunRow.number.in_(numbers))) if numbers else ()
    runs = {row.number: run_of(row) for row in rows}
    for change in changes:
        change.delivered_at = now
        if change.run_number in runs:
            _add_messages(session, change, runs[change.run_number], wanted_by, renderers_of(context))
    session.flush()
    return len(changes)


@dataclass(frozen=True)
class Target:
    """A webhook that is enabled, and whose runs it may hear of."""

    number: int
    id: str
    owner_id: str | None
    sees_all: bool
    types: frozenset[str]
    since: datetime

    def wants(self, change: OutboxRow, run: Run) -> bool:
        """Return whether the run is in its scope, and the change no older than the webhook."""
        return (self.sees_all or run.owner_id == self.owner_id) and change.created_at >= self.since


def targets(session: Session, now: datetime) -> Iterator[Target]:
    """Yield enabled webhooks of active owners. One for all runs needs an owner who may see them now."""
    query = (
        select(WebhookRow, UserRow.is_active, UserRow.levels)
        .outerjoin(UserRow, UserRow.id == WebhookRow.owner_id)
        .where(WebhookRow.enabled)
        .order_by(WebhookRow.number)
    )
    for row, is_active, levels in session.execute(query):
        is_servers = row.owner_id is None
        may_all = is_servers or Permission.RUNS_ALL in permissions_of(Level(level) for level in levels)
        wants_all = row.scope == WebhookScope.ALL
        if (is_servers or is_active) and (may_all or not wants_all):
            # A webhook that was created while the clock was ahead would get no events until that moment.
            since = row.created_at if row.created_at <= now + TOLERANCE else datetime.min.replace(tzinfo=UTC)
            yield Target(row.number, row.id, row.owner_id, wants_all, frozenset(row.event_types), since)


def _add_messages(
    session: Session, change: OutboxRow, run: Run, wanted_by: list[Target], makers: tuple[WebhookEventRenderer, ...]
) -> None:
    type = EVENT_OF_OUTBOX.get(change.type)
    # There is no event of a process that is about to start.
    event = None if type is None else RunEvent(event_id(*_key(change)), type, change.created_at, run)
    for body in (maker.make(event) for maker in makers if event is not None):
        if body is None:
            continue
        for target in wanted_by:
            if body.type in target.types and target.wants(change, run):
                id = message_id(*_key(change), body.type, target.id)
                session.add(pending_message(target, id, body, change.created_at))


def pending_message(target: Target, id: str, body: EventBody, at: datetime) -> WebhookMessageRow:
    """Return a message that is due at once. `id` is unique, so that a webhook gets one message of an event."""
    return WebhookMessageRow(
        id=id,
        webhook_number=target.number,
        type=body.type,
        payload=to_text(body.body),
        is_test=False,
        state=MessageState.PENDING,
        attempts=0,
        tries=0,
        next_attempt_at=at,
        created_at=at,
    )


def _key(change: OutboxRow) -> tuple[object, ...]:
    # With the moment, since SQLite may give a deleted row's number to another row.
    return (change.id, change.type, change.created_at.isoformat(), change.run_number)
