"""Claims due messages, which the caller sends outside of any transaction, and records the outcome of each."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, delete, func, or_, select
from sqlalchemy.orm import Session

from finery.contracts.permissions import Level, Permission, permissions_of
from finery.contracts.webhooks import MessageState, WebhookScope
from finery.domain.webhooks.service import cancel_pending, disable
from finery.kit.clock import TOLERANCE
from finery.models import OutboxRow, UserRow, WebhookAttemptRow, WebhookMessageRow, WebhookRow

DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""How long to wait after the first attempt, which is made at once, and after each further one."""
JITTER = 0.2
MAX_RETRY_AFTER = timedelta(hours=24)
"""The longest Retry-After of a receiver that is honoured."""
FURTHEST = max(DELAYS[-1] * (1 + JITTER), MAX_RETRY_AFTER)
"""While the clock is right, no attempt is scheduled further ahead."""
CLAIM = timedelta(minutes=5)
"""How long a claimed message is left to whoever has claimed it."""
MESSAGES_KEPT = timedelta(days=30)
OUTBOX_KEPT = timedelta(days=7)
PRUNED_AT_ONCE = 1000
GONE = 410
LONGEST_ERROR = 1000
INTERRUPTED = "the server ended before an answer came"


@dataclass(frozen=True)
class Dispatch:
    """A claimed message, with all that is needed to send it."""

    number: int
    attempt: int
    webhook_number: int
    message_id: str
    url: str
    body: bytes
    secrets: tuple[str, ...] = field(repr=False)
    """The secrets that are valid now, encrypted, the newest first."""


@dataclass(frozen=True)
class Outcome:
    """What became of an attempt; without `status` no answer came, and `error` says why."""

    status: int | None = None
    error: str | None = None
    excerpt: str | None = None
    retry_after: float | None = None
    """Seconds, as the receiver asks for."""
    milliseconds: int = 0

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def resume(session: Session, now: datetime) -> None:
    """Repair the schedule when a server starts.

    Messages that an earlier server was sending are due at once. Those that it scheduled by a clock that was ahead are
    due when they would have been by the right one.
    """
    query = (
        select(WebhookAttemptRow, WebhookMessageRow)
        .join(WebhookMessageRow, WebhookMessageRow.number == WebhookAttemptRow.message_number)
        .where(WebhookAttemptRow.milliseconds.is_(None), WebhookAttemptRow.error.is_(None))
    )
    for attempt, message in session.execute(query):
        attempt.error = INTERRUPTED
        if message.state == MessageState.PENDING and message.attempts == attempt.number:
            message.next_attempt_at = attempt.at
    session.flush()
    for message in session.scalars(_scheduled(now)).all():
        last = select(func.max(WebhookAttemptRow.at)).where(WebhookAttemptRow.message_number == message.number)
        scheduled_at = session.scalar(last) or message.created_at
        if scheduled_at > now + TOLERANCE and message.next_attempt_at is not None:
            wait = message.next_attempt_at - scheduled_at
            message.next_attempt_at = now + min(max(wait, timedelta()), FURTHEST)


def put_back(session: Session, now: datetime, by: timedelta) -> None:
    """Move what is scheduled forward, since the clock was set back `by` so much."""
    for message in session.scalars(_scheduled(now)):
        if message.next_attempt_at is not None:
            message.next_attempt_at = max(now, message.next_attempt_at - by)


def due_webhooks(session: Session, now: datetime) -> list[int]:
    """Return the numbers of webhooks with a message that is due."""
    query = select(WebhookMessageRow.webhook_number).where(*_due(now)).distinct()
    return list(session.scalars(query))


def next_due(session: Session, *, without: Sequence[int] = ()) -> datetime | None:
    """Return when the next message of webhooks other than `without` is due, or None."""
    query = select(func.min(WebhookMessageRow.next_attempt_at)).where(WebhookMessageRow.state == MessageState.PENDING)
    return session.scalar(query.where(WebhookMessageRow.webhook_number.not_in(without)))


def claim(session: Session, webhook_number: int, now: datetime, *, limit: int) -> list[Dispatch]:
    """Begin an attempt for each of the oldest `limit` messages of a webhook that are due."""
    webhook = session.get(WebhookRow, webhook_number, with_for_update=True)
    if webhook is None:
        return []
    if not webhook.enabled or not _may_receive(session, webhook):
        # They were written while it was being disabled, or before its owner lost the permission.
        cancel_pending(session, webhook)
        return []
    query = select(WebhookMessageRow).where(*_due(now), WebhookMessageRow.webhook_number == webhook_number)
    query = query.order_by(WebhookMessageRow.next_attempt_at, WebhookMessageRow.number).limit(limit)
    return [_begin(session, message, webhook, now) for message in session.scalars(query.with_for_update())]


def record(
    session: Session,
    dispatch: Dispatch,
    outcome: Outcome,
    now: datetime,
    *,
    draw: Callable[[], float] = random.random,
) -> None:
    """Store the outcome of an attempt. Only the message's last claim decides whether it is tried again."""
    webhook = session.get(WebhookRow, dispatch.webhook_number, with_for_update=True)
    message = session.get(WebhookMessageRow, dispatch.number, with_for_update=True)
    attempt = session.get(WebhookAttemptRow, (dispatch.number, dispatch.attempt))
    if webhook is None or message is None or attempt is None:
        return
    attempt.status_code, attempt.milliseconds = outcome.status, outcome.milliseconds
    attempt.error = outcome.error[:LONGEST_ERROR] if outcome.error else None
    # PostgreSQL's text cannot hold a NUL.
    attempt.response = outcome.excerpt.replace("\0", "�") if outcome.excerpt else None
    if outcome.is_success:
        message.state, message.next_attempt_at = MessageState.DELIVERED, None
    elif message.state == MessageState.PENDING and message.attempts == dispatch.attempt:
        _fail(message, outcome, now, draw)
    if outcome.status == GONE and webhook.enabled:
        session.flush()
        disable(session, webhook, "its receiver answered 410 Gone")


def delay_after(failures: int, retry_after: float | None, draw: Callable[[], float]) -> timedelta | None:
    """Return how long to wait after so many failures, or None to give up. `retry_after` is in seconds.

    `draw` returns random numbers from 0 to 1: up to a fifth is added to the delay, so that messages that failed
    together are not all tried again together.
    """
    if failures > len(DELAYS):
        return None
    delay = DELAYS[failures - 1] * (1 + JITTER * draw())
    return max(delay, min(timedelta(seconds=retry_after or 0.0), MAX_RETRY_AFTER))


def prune(session: Session, now: datetime) -> int:
    """Delete old messages and outbox rows that are done, up to PRUNED_AT_ONCE of each, and return how many."""
    messages = select(WebhookMessageRow.number).where(
        WebhookMessageRow.created_at < now - MESSAGES_KEPT, WebhookMessageRow.state != MessageState.PENDING
    )
    numbers = session.scalars(messages.limit(PRUNED_AT_ONCE)).all()
    news = select(OutboxRow.id).where(OutboxRow.delivered_at < now - OUTBOX_KEPT)
    ids = session.scalars(news.limit(PRUNED_AT_ONCE)).all()
    session.execute(delete(WebhookMessageRow).where(WebhookMessageRow.number.in_(numbers)))
    session.execute(delete(OutboxRow).where(OutboxRow.id.in_(ids)))
    return len(numbers) + len(ids)


def _may_receive(session: Session, webhook: WebhookRow) -> bool:
    """Return whether the owner is active and may now read the runs of its scope, whatever held at the event."""
    if webhook.owner_id is None:
        return True
    owner = session.execute(select(UserRow.is_active, UserRow.levels).where(UserRow.id == webhook.owner_id)).one()
    needed = Permission.RUNS_ALL if webhook.scope == WebhookScope.ALL else Permission.RUNS_READ
    return owner.is_active and needed in permissions_of(Level(level) for level in owner.levels)


def _begin(session: Session, message: WebhookMessageRow, webhook: WebhookRow, now: datetime) -> Dispatch:
    message.attempts += 1
    message.next_attempt_at = now + CLAIM
    session.add(WebhookAttemptRow(message_number=message.number, number=message.attempts, at=now))
    return Dispatch(
        number=message.number,
        attempt=message.attempts,
        webhook_number=webhook.number,
        message_id=message.id,
        url=webhook.url,
        body=message.payload.encode(),
        secrets=_valid_secrets(webhook, now),
    )


def _valid_secrets(webhook: WebhookRow, now: datetime) -> tuple[str, ...]:
    until = webhook.previous_secret_until
    if webhook.previous_secret is None or until is None or until <= now:
        return (webhook.secret,)
    return (webhook.secret, webhook.previous_secret)


def _fail(message: WebhookMessageRow, outcome: Outcome, now: datetime, draw: Callable[[], float]) -> None:
    message.tries += 1
    delay = None if message.is_test else delay_after(message.tries, outcome.retry_after, draw)
    if delay is None or outcome.status == GONE:
        message.state, message.next_attempt_at = MessageState.FAILED, None
        return
    message.next_attempt_at = now + delay


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for a due message. What lies further ahead than FURTHEST was scheduled by a wrong clock."""
    at = WebhookMessageRow.next_attempt_at
    return (WebhookMessageRow.state == MessageState.PENDING, or_(at <= now, at > now + FURTHEST))


def _scheduled(now: datetime) -> Select[WebhookMessageRow]:
    at = WebhookMessageRow.next_attempt_at
    return select(WebhookMessageRow).where(WebhookMessageRow.state == MessageState.PENDING, at > now)
