"""Webhooks: made, listed, changed, deleted."""

import secrets
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from finery.contracts.permissions import Principal
from finery.contracts.webhooks import (
    WEBHOOK_PREFIX,
    MessageState,
    NewWebhook,
    Webhook,
    WebhookChanges,
    WebhookScope,
    WebhookWithSecret,
)
from finery.domain import audit
from finery.domain.context import DomainContext
from finery.domain.secrets.errors import SecretKeyUnusable
from finery.domain.webhooks.errors import AllRunsNeeded, InvalidWebhook, TooManyWebhooks
from finery.domain.webhooks.payloads import known_types
from finery.domain.webhooks.queries import belongs_to, find_row, lock_row, require_power, require_reading, webhook_of
from finery.domain.webhooks.signing import draw_secret, hint_of
from finery.domain.webhooks.validation import checked_url
from finery.kit.clock import utc_now
from finery.kit.printable import is_printable
from finery.kit.secretbox import KeyUnusable, SecretBox
from finery.kit.suggest import nearest
from finery.models import WebhookMessageRow, WebhookRow

MOST_WEBHOOKS = 100
"""Of one owner."""
OVERLAP = timedelta(hours=24)
"""For how long the secret before a rotation still signs."""
LONGEST_NAME = 200


def create(session: Session, new: NewWebhook, context: DomainContext, actor: Principal) -> WebhookWithSecret:
    """Raises InvalidWebhook, RunsReadNeeded, AllRunsNeeded, TooManyWebhooks, SecretKeyUnusable."""
    url, host = checked_url(new.url, context.destinations)
    require_reading(actor)
    if new.scope is WebhookScope.ALL and not actor.sees_all_runs:
        raise AllRunsNeeded()
    owned = select(func.count()).select_from(WebhookRow).where(belongs_to(actor))
    if (session.scalar(owned) or 0) >= MOST_WEBHOOKS:
        raise TooManyWebhooks(MOST_WEBHOOKS)
    secret, now = draw_secret(), utc_now()
    row = WebhookRow(
        id=f"{WEBHOOK_PREFIX}{secrets.token_hex(12)}",
        owner_id=actor.user_id,
        name=_checked_name(new.name or host[:LONGEST_NAME]),
        url=url,
        event_types=_checked_types(new.event_types, context),
        scope=new.scope,
        secret=_encrypted(context.secrets, secret),
        secret_hint=hint_of(secret),
        enabled=True,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    audit.name_target(session, row.id)
    return _told(row, secret)


def get(session: Session, webhook_id: str, actor: Principal) -> Webhook:
    """Raises WebhookNotFound."""
    return webhook_of(find_row(session, webhook_id, actor))


def list_all(session: Session, actor: Principal) -> list[Webhook]:
    """Newest first."""
    rows = session.scalars(select(WebhookRow).where(belongs_to(actor)).order_by(WebhookRow.number.desc()))
    return [webhook_of(row) for row in rows]


def change(
    session: Session, webhook_id: str, changes: WebhookChanges, context: DomainContext, actor: Principal
) -> Webhook:
    """Raises WebhookNotFound, InvalidWebhook, RunsReadNeeded, AllRunsNeeded."""
    row = lock_row(session, webhook_id, actor)
    require_reading(actor)
    require_power(row, actor)
    before = webhook_of(row)
    if changes.scope is not None:
        row.scope = changes.scope
        require_power(row, actor)
    if changes.url is not None:
        row.url, _ = checked_url(changes.url, context.destinations)
    if changes.name is not None:
        row.name = _checked_name(changes.name)
    if changes.event_types is not None:
        row.event_types = _checked_types(changes.event_types, context)
    if changes.enabled is True:
        row.enabled, row.disabled_reason = True, None
    if changes.enabled is False and row.enabled:
        disable(session, row, "it was switched off")
    if webhook_of(row) != before:
        row.updated_at = utc_now()
    return webhook_of(row)


def delete(session: Session, webhook_id: str, actor: Principal) -> None:
    """With its messages, sent or not. Raises WebhookNotFound."""
    session.delete(lock_row(session, webhook_id, actor))
    session.flush()


def rotate_secret(
    session: Session, webhook_id: str, context: DomainContext, actor: Principal, *, keep_old: bool = True
) -> WebhookWithSecret:
    """Draw another; with `keep_old`, messages are signed with both for a day. Raises WebhookNotFound, AllRunsNeeded."""
    row = lock_row(session, webhook_id, actor)
    require_power(row, actor)
    secret, now = draw_secret(), utc_now()
    row.previous_secret = row.secret if keep_old else None
    row.previous_secret_until = now + OVERLAP if keep_old else None
    row.secret, row.secret_hint, row.updated_at = _encrypted(context.secrets, secret), hint_of(secret), now
    return _told(row, secret)


def disable(session: Session, row: WebhookRow, reason: str) -> None:
    """Of a locked row: nothing more is sent, also not what waits."""
    row.enabled, row.disabled_reason, row.updated_at = False, reason, utc_now()
    cancel_waiting(session, row)


def cancel_waiting(session: Session, row: WebhookRow) -> None:
    waiting = update(WebhookMessageRow).where(
        WebhookMessageRow.webhook_number == row.number, WebhookMessageRow.state == MessageState.PENDING
    )
    session.execute(waiting.values(state=MessageState.CANCELLED, next_attempt_at=None))


def _checked_name(name: str) -> str:
    if not name.strip() or not is_printable(name):
        raise InvalidWebhook("name", "must have a letter, and no control characters")
    return name.strip()


def _checked_types(types: list[str], context: DomainContext) -> list[str]:
    known = known_types(context)
    for index, type in enumerate(types):
        if type not in known:
            close = nearest(type, known)
            hint = f"; did you mean {close}?" if close else f"; known: {', '.join(known)}"
            raise InvalidWebhook(f"event_types.{index}", f"there is no such type{hint}")
    return list(dict.fromkeys(types))


def _encrypted(box: SecretBox, secret: str) -> str:
    try:
        return box.encrypt(secret)
    except KeyUnusable as error:
        raise SecretKeyUnusable(str(error)) from error


def _told(row: WebhookRow, secret: str) -> WebhookWithSecret:
    return WebhookWithSecret(**dict(webhook_of(row)), secret=secret)
