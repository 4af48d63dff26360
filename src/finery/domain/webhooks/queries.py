"""Finds and locks rows of webhooks, checks who may use them, and maps them to contracts."""

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from finery.contracts.permissions import Permission, Principal
from finery.contracts.webhooks import Webhook, WebhookScope
from finery.domain.webhooks.errors import AllRunsNeeded, RunsReadNeeded, WebhookNotFound
from finery.kit.ids import is_safe_id
from finery.models import WebhookRow


def find_row(session: Session, webhook_id: str, actor: Principal) -> WebhookRow:
    """Return a webhook of the actor. Raises WebhookNotFound, also for other users' webhooks."""
    return _only(session, select(WebhookRow).where(WebhookRow.id == webhook_id, belongs_to(actor)), webhook_id)


def lock_row(session: Session, webhook_id: str, actor: Principal) -> WebhookRow:
    """Return a webhook of the actor, read anew and locked until the transaction ends. Raises WebhookNotFound."""
    query = select(WebhookRow).where(WebhookRow.id == webhook_id, belongs_to(actor))
    return _only(session, query.with_for_update().execution_options(populate_existing=True), webhook_id)


def require_runs_read(actor: Principal) -> None:
    """Raises RunsReadNeeded."""
    if not actor.may(Permission.RUNS_READ):
        raise RunsReadNeeded()


def require_all_runs(scope: str, actor: Principal) -> None:
    """Raises AllRunsNeeded: an API key with fewer permissions than its user must not redirect events of all runs."""
    if scope == WebhookScope.ALL and not actor.sees_all_runs:
        raise AllRunsNeeded()


def belongs_to(actor: Principal) -> ColumnElement[bool]:
    """Return the condition that a webhook is the actor's; without an owner it belongs to all who see all runs."""
    own = WebhookRow.owner_id.is_(None) if actor.user_id is None else WebhookRow.owner_id == actor.user_id
    if actor.sees_all_runs:
        return own | WebhookRow.owner_id.is_(None)
    return own & WebhookRow.owner_id.is_not(None)


def webhook_of(row: WebhookRow) -> Webhook:
    return Webhook(
        id=row.id,
        owner_id=row.owner_id,
        name=row.name,
        url=row.url,
        event_types=row.event_types,
        scope=WebhookScope(row.scope),
        enabled=row.enabled,
        disabled_reason=row.disabled_reason,
        secret_hint=row.secret_hint,
        previous_secret_until=row.previous_secret_until,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _only(session: Session, query: Select[WebhookRow], webhook_id: str) -> WebhookRow:
    # What cannot be an id never reaches the database, which may not take it.
    row = session.scalars(query).one_or_none() if is_safe_id(webhook_id) else None
    if row is None:
        raise WebhookNotFound(webhook_id)
    return row
