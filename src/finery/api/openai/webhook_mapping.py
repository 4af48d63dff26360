"""Maps OpenAI's webhook endpoints to webhooks, and back."""

from typing import Any

from finery.api.openai.pages import page_after
from finery.api.openai.webhook_schemas import (
    CreateWebhookEndpointRequest,
    UpdateWebhookEndpointRequest,
    WebhookEndpoint,
    WebhookEndpointPage,
    WebhookEndpointWithSecret,
)
from finery.contracts.webhooks import NewWebhook, Webhook, WebhookChanges, WebhookWithSecret


def to_new_webhook(request: CreateWebhookEndpointRequest) -> NewWebhook:
    return NewWebhook(url=request.url, name=request.name, event_types=request.event_types)


def to_changes(request: UpdateWebhookEndpointRequest) -> WebhookChanges:
    return WebhookChanges(url=request.url, name=request.name, event_types=request.event_types)


def to_endpoint(webhook: Webhook) -> WebhookEndpoint:
    return WebhookEndpoint(**_fields_of(webhook))


def to_endpoint_with_secret(webhook: WebhookWithSecret) -> WebhookEndpointWithSecret:
    return WebhookEndpointWithSecret(**_fields_of(webhook), signing_secret=webhook.secret)


def to_endpoint_page(webhooks: list[Webhook], *, after: str | None, limit: int) -> WebhookEndpointPage:
    """Raises RequestRefused for an unknown `after`."""
    page = page_after(webhooks, lambda webhook: webhook.id, after, limit)
    data = [to_endpoint(webhook) for webhook in page[:limit]]
    return WebhookEndpointPage(
        data=data,
        has_more=len(page) > limit,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
    )


def _fields_of(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "created_at": int(webhook.created_at.timestamp()),
        "updated_at": int(webhook.updated_at.timestamp()),
        "name": webhook.name,
        "url": webhook.url,
        "event_types": webhook.event_types,
        "signing_secret_hint": webhook.secret_hint,
    }
