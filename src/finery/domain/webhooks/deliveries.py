"""Lists the messages to a webhook with their attempts, sends test messages, and replays old ones."""

import secrets
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.permissions import Principal
from finery.contracts.webhook_events import EventBody
from finery.contracts.webhooks import (
    MESSAGE_PREFIX,
    Delivery,
    DeliveryAttempt,
    DeliveryPage,
    MessageState,
)
from finery.domain.cursors import cut_page, parse_cursor
from finery.domain.webhooks.errors import DeliveryNotFound, WebhookDisabled
from finery.domain.webhooks.payloads import DIGITS, event_id, test_body, to_text
from finery.domain.webhooks.queries import find_row, lock_row, require_all_runs, require_runs_read
from finery.kit.clock import utc_now
from finery.kit.ids import is_safe_id
from finery.models import WebhookAttemptRow, WebhookMessageRow, WebhookRow


def list_deliveries(
    session: Session,
    webhook_id: str,
    actor: Principal,
    *,
    limit: int,
    state: MessageState | None = None,
    cursor: str | None = None,
) -> DeliveryPage:
    """List messages, newest first. `cursor` is the `next_cursor` of the page before.

    Raises WebhookNotFound, AllRunsNeeded, RunsReadNeeded, BadCursor.
    """
    webhook = _find_readable(session, webhook_id, actor)
    query = select(WebhookMessageRow).where(WebhookMessageRow.webhook_number == webhook.number)
    if state is not None:
        query = query.where(WebhookMessageRow.state == state)
    if cursor is not None:
        query = query.where(WebhookMessageRow.number < parse_cursor(cursor))
    query = query.order_by(WebhookMessageRow.number.desc()).limit(limit + 1)
    rows, next_cursor = cut_page(session.scalars(query).all(), limit, lambda row: row.number)
    return DeliveryPage(deliveries=_deliveries_of(session, rows), next_cursor=next_cursor)


def get_delivery(session: Session, webhook_id: str, message_id: str, actor: Principal) -> Delivery:
    """Return one message. Raises WebhookNotFound, AllRunsNeeded, RunsReadNeeded, DeliveryNotFound."""
    webhook = _find_readable(session, webhook_id, actor)
    return _delivery_of(session, _find_message(session, webhook, message_id))


def replay(session: Session, webhook_id: str, message_id: str, actor: Principal) -> Delivery:
    """Send a message again, now: the same text under the same id, with a new signature.

    Raises WebhookNotFound, AllRunsNeeded, RunsReadNeeded, DeliveryNotFound, WebhookDisabled.
    """
    webhook = _lock_enabled(session, webhook_id, actor)
    require_runs_read(actor)
    message = _find_message(session, webhook, message_id, lock=True)
    message.state, message.tries, message.next_attempt_at = MessageState.PENDING, 0, utc_now()
    return _delivery_of(session, message)


def send_test(session: Session, webhook_id: str, actor: Principal, sample: EventBody | None = None) -> Delivery:
    """Send a message that is tried once: `sample`, or one of the type `webhook.test`.

    Raises WebhookNotFound, AllRunsNeeded, WebhookDisabled.
    """
    webhook, now = _lock_enabled(session, webhook_id, actor), utc_now()
    random_id = secrets.token_hex(DIGITS // 2)
    sample = sample or test_body(event_id(random_id), webhook.id, now)
    message = WebhookMessageRow(
        id=MESSAGE_PREFIX + random_id,
        webhook_number=webhook.number,
        type=sample.type,
        payload=to_text(sample.body),
        is_test=True,
        state=MessageState.PENDING,
        attempts=0,
        tries=0,
        next_attempt_at=now,
        created_at=now,
    )
    session.add(message)
    session.flush()
    return _delivery_of(session, message)


def _find_readable(session: Session, webhook_id: str, actor: Principal) -> WebhookRow:
    webhook = find_row(session, webhook_id, actor)
    require_all_runs(webhook.scope, actor)
    require_runs_read(actor)
    return webhook


def _lock_enabled(session: Session, webhook_id: str, actor: Principal) -> WebhookRow:
    webhook = lock_row(session, webhook_id, actor)
    require_all_runs(webhook.scope, actor)
    if not webhook.enabled:
        raise WebhookDisabled(webhook_id)
    return webhook


def _find_message(session: Session, webhook: WebhookRow, message_id: str, *, lock: bool = False) -> WebhookMessageRow:
    query = select(WebhookMessageRow).where(
        WebhookMessageRow.id == message_id, WebhookMessageRow.webhook_number == webhook.number
    )
    query = query.with_for_update() if lock else query
    row = session.scalars(query).one_or_none() if is_safe_id(message_id) else None
    if row is None:
        raise DeliveryNotFound(message_id)
    return row


def _delivery_of(session: Session, row: WebhookMessageRow) -> Delivery:
    return _deliveries_of(session, [row])[0]


def _deliveries_of(session: Session, rows: Sequence[WebhookMessageRow]) -> list[Delivery]:
    numbers = [row.number for row in rows]
    query = select(WebhookAttemptRow).where(WebhookAttemptRow.message_number.in_(numbers))
    attempts: dict[int, list[DeliveryAttempt]] = {number: [] for number in numbers}
    for attempt in session.scalars(query.order_by(WebhookAttemptRow.number)):
        attempts[attempt.message_number].append(
            DeliveryAttempt(
                number=attempt.number,
                at=attempt.at,
                status_code=attempt.status_code,
                error=attempt.error,
                response=attempt.response,
                milliseconds=attempt.milliseconds,
            )
        )
    return [
        Delivery(
            id=row.id,
            type=row.type,
            state=MessageState(row.state),
            payload=row.payload,
            created_at=row.created_at,
            next_attempt_at=row.next_attempt_at,
            attempts=attempts[row.number],
        )
        for row in rows
    ]
