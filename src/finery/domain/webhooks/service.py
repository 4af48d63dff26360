"""Creates, lists, changes and deletes webhooks, and rotates their secrets."""

import secrets
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from finery.contracts.attention import AttentionEventType
from finery.contracts.permissions import Principal
from finery.contracts.webhooks import (
    WEBHOOK_PREFIX,
    MessageState,
    NewWebhook,
    Webhook,
    WebhookChanges,
    WebhookWithSecret,
)
from finery.domain import audit
from finery.domain.context import DomainContext
from finery.domain.secrets.service import encrypt
from finery.domain.webhooks.errors import TooManyWebhooks
from finery.domain.webhooks.payloads import renderers_of
from finery.domain.webhooks.queries import (
    belongs_to,
    find_row,
    lock_row,
    require_all_runs,
    require_runs_read,
    webhook_of,
)
from finery.domain.webhooks.signing import generate_secret, hint_of
from finery.domain.webhooks.validation import checked_name, checked_types, checked_url
from finery.kit.clock import utc_now
from finery.models import WebhookMessageRow, WebhookRow

MOST_WEBHOOKS = 100
"""The limit for one owner."""
OVERLAP = timedelta(hours=24)
"""How long messages are signed with the old secret as well after a rotation."""
LONGEST_NAME = 200


def create(session: Session, new: NewWebhook, context: DomainContext, actor: Principal) -> WebhookWithSecret:
    """Create a webhook. Raises InvalidWebhook, RunsReadNeeded, AllRunsNeeded, TooManyWebhooks, SecretKeyUnusable."""
    url, host = checked_url(new.url, context.destinations)
    require_runs_read(actor)
    require_all_runs(new.scope, actor)
    owned = select(func.count()).select_from(WebhookRow).where(belongs_to(actor))
    if (session.scalar(owned) or 0) >= MOST_WEBHOOKS:
        raise TooManyWebhooks(MOST_WEBHOOKS)
    secret, now = generate_secret(), utc_now()
    row = WebhookRow(
        id=f"{WEBHOOK_PREFIX}{secrets.token_hex(12)}",
        owner_id=actor.user_id,
        name=checked_name(new.name or host[:LONGEST_NAME]),
        url=url,
        event_types=checked_types(new.event_types, _known_types(context)),
        scope=new.scope,
        secret=encrypt(context.secrets, secret),
        secret_hint=hint_of(secret),
        enabled=True,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    audit.name_target(session, row.id)
    return _with_secret(row, secret)


def get(session: Session, webhook_id: str, actor: Principal) -> Webhook:
    """Raises WebhookNotFound."""
    return webhook_of(find_row(session, webhook_id, actor))


def list_all(session: Session, actor: Principal) -> list[Webhook]:
    """List the actor's webhooks, newest first."""
    rows = session.scalars(select(WebhookRow).where(belongs_to(actor)).order_by(WebhookRow.number.desc()))
    return [webhook_of(row) for row in rows]


def change(
    session: Session, webhook_id: str, changes: WebhookChanges, context: DomainContext, actor: Principal
) -> Webhook:
    """Change a webhook. Raises WebhookNotFound, InvalidWebhook, RunsReadNeeded, AllRunsNeeded."""
    row = lock_row(session, webhook_id, actor)
    require_runs_read(actor)
    require_all_runs(row.scope, actor)
    before = webhook_of(row)
    if changes.scope is not None:
        row.scope = changes.scope
        require_all_runs(row.scope, actor)
    if changes.url is not None:
        row.url, _ = checked_url(changes.url, context.destinations)
    if changes.name is not None:
        row.name = checked_name(changes.name)
    if changes.event_types is not None:
        row.event_types = checked_types(changes.event_types, _known_types(context))
    if changes.enabled is True:
        row.enabled, row.disabled_reason = True, None
    if changes.enabled is False and row.enabled:
        disable(session, row, "it was switched off")
    if webhook_of(row) != before:
        row.updated_at = utc_now()
    # Who has the address of many a receiver may send to it: it is as good as a key.
    audit.name_changes(session, before, webhook_of(row), hidden=("url",))
    return webhook_of(row)


def delete(session: Session, webhook_id: str, actor: Principal) -> None:
    """Delete a webhook with its messages, sent or not. Raises WebhookNotFound."""
    session.delete(lock_row(session, webhook_id, actor))
    session.flush()


def rotate_secret(
    session: Session, webhook_id: str, context: DomainContext, actor: Principal, *, keep_old: bool = True
) -> WebhookWithSecret:
    """Replace the secret. With `keep_old`, messages are signed with both for a day.

    Raises WebhookNotFound, AllRunsNeeded, SecretKeyUnusable.
    """
    row = lock_row(session, webhook_id, actor)
    require_all_runs(row.scope, actor)
    secret, now = generate_secret(), utc_now()
    row.previous_secret = row.secret if keep_old else None
    row.previous_secret_until = now + OVERLAP if keep_old else None
    row.secret, row.secret_hint, row.updated_at = encrypt(context.secrets, secret), hint_of(secret), now
    return _with_secret(row, secret)


def disable(session: Session, row: WebhookRow, reason: str) -> None:
    """Disable a locked webhook and cancel its pending messages."""
    row.enabled, row.disabled_reason, row.updated_at = False, reason, utc_now()
    cancel_pending(session, row)


def cancel_pending(session: Session, row: WebhookRow) -> None:
    pending = update(WebhookMessageRow).where(
        WebhookMessageRow.webhook_number == row.number, WebhookMessageRow.state == MessageState.PENDING
    )
    session.execute(pending.values(state=MessageState.CANCELLED, next_attempt_at=None))


def _known_types(context: DomainContext) -> list[str]:
    return [*(type for maker in renderers_of(context) for type in maker.types), *AttentionEventType]


def _with_secret(row: WebhookRow, secret: str) -> WebhookWithSecret:
    return WebhookWithSecret(**dict(webhook_of(row)), secret=secret)
