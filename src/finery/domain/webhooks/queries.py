"""Finding the rows of webhooks, and what of them leaves the domain."""

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from finery.contracts.permissions import Permission, Principal
from finery.contracts.webhooks import Webhook, WebhookScope
from finery.domain.webhooks.errors import AllRunsNeeded, RunsReadNeeded, WebhookNotFound
from finery.kit.ids import is_safe_id
from finery.models import WebhookRow


def find_row(session: Session, webhook_id: str, actor: Principal) -> WebhookRow:
    """Raises WebhookNotFound, here and below also for other users'."""
    query = select(WebhookRow).where(WebhookRow.id == webhook_id, belongs_to(actor))
    return _only(session.scalars(query).one_or_none() if is_safe_id(webhook_id) else None, webhook_id)


def lock_row(session: Session, webhook_id: str, actor: Principal) -> WebhookRow:
    query = select(WebhookRow).where(WebhookRow.id == webhook_id, belongs_to(actor))
    query = query.with_for_update().execution_options(populate_existing=True)
    return _only(session.scalars(query).one_or_none() if is_safe_id(webhook_id) else None, webhook_id)


def require_reading(actor: Principal) -> None:
    """Raises RunsReadNeeded."""
    if not actor.may(Permission.RUNS_READ):
        raise RunsReadNeeded()


def require_power(row: WebhookRow, actor: Principal) -> None:
    """A key that may less than its user must not lead everyone's news elsewhere. Raises AllRunsNeeded."""
    if row.scope == WebhookScope.ALL and not actor.sees_all_runs:
        raise AllRunsNeeded()


def belongs_to(actor: Principal) -> ColumnElement[bool]:
    """What has no owner is theirs who see everyone's runs."""
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


def _only(row: WebhookRow | None, webhook_id: str) -> WebhookRow:
    if row is None:
        raise WebhookNotFound(webhook_id)
    return row
