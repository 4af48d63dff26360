"""HTTP routes of `/api/v1/webhooks` and their deliveries."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from finery.api.native.dialect import ERRORS, PREFIX, MessageId, NativeRoute, WebhookId
from finery.api.native.schemas import RotateSecretRequest, WebhookList
from finery.contracts.webhooks import (
    Delivery,
    DeliveryPage,
    MessageState,
    NewWebhook,
    Webhook,
    WebhookChanges,
    WebhookWithSecret,
)
from finery.domain import webhooks
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext
from finery.http.session import ReadSession, WriteSession

OWN = Depends(Allow(Permission.WEBHOOKS_WRITE))
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=200)]
StateFilter = Annotated[MessageState | None, Query()]

router = APIRouter(prefix=f"{PREFIX}/webhooks", route_class=NativeRoute, tags=["webhooks"], responses=ERRORS)


@router.post("", dependencies=[OWN], status_code=201)
def create_webhook(
    body: NewWebhook, session: WriteSession, context: CurrentContext, user: CurrentUser
) -> WebhookWithSecret:
    """Creates a webhook; its signing secret is shown this once."""
    return webhooks.create(session, body, context, user)


@router.get("", dependencies=[OWN])
def list_webhooks(session: ReadSession, user: CurrentUser) -> WebhookList:
    return WebhookList(webhooks=webhooks.list_all(session, user))


@router.get("/{webhook_id}", dependencies=[OWN])
def get_webhook(webhook_id: WebhookId, session: ReadSession, user: CurrentUser) -> Webhook:
    return webhooks.get(session, webhook_id, user)


@router.patch("/{webhook_id}", dependencies=[OWN])
def update_webhook(
    webhook_id: WebhookId, body: WebhookChanges, session: WriteSession, context: CurrentContext, user: CurrentUser
) -> Webhook:
    """Changes what is sent. `enabled: false` cancels its waiting messages; each can be sent again later."""
    return webhooks.change(session, webhook_id, body, context, user)


@router.delete("/{webhook_id}", dependencies=[OWN], status_code=204)
def delete_webhook(webhook_id: WebhookId, session: WriteSession, user: CurrentUser) -> None:
    webhooks.delete(session, webhook_id, user)


@router.post("/{webhook_id}/rotate-secret", dependencies=[OWN])
def rotate_webhook_secret(
    webhook_id: WebhookId, body: RotateSecretRequest, session: WriteSession, context: CurrentContext, user: CurrentUser
) -> WebhookWithSecret:
    """Draws a new signing secret, which is shown this once."""
    return webhooks.rotate_secret(session, webhook_id, context, user, keep_old=body.keep_old)


@router.post("/{webhook_id}/test", dependencies=[OWN], status_code=202)
def test_webhook(webhook_id: WebhookId, session: WriteSession, user: CurrentUser) -> Delivery:
    """Sends a message of the type `webhook.test` once, at once: look at its delivery a moment later."""
    return webhooks.send_test(session, webhook_id, user)


@router.get("/{webhook_id}/deliveries", dependencies=[OWN])
def list_webhook_deliveries(
    webhook_id: WebhookId,
    session: ReadSession,
    user: CurrentUser,
    state: StateFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> DeliveryPage:
    """Lists deliveries, newest first. `cursor` is the `next_cursor` of the page before."""
    return webhooks.list_deliveries(session, webhook_id, user, limit=limit, state=state, cursor=cursor)


@router.get("/{webhook_id}/deliveries/{message_id}", dependencies=[OWN])
def get_webhook_delivery(
    webhook_id: WebhookId, message_id: MessageId, session: ReadSession, user: CurrentUser
) -> Delivery:
    return webhooks.get_delivery(session, webhook_id, message_id, user)


@router.post("/{webhook_id}/deliveries/{message_id}/replay", dependencies=[OWN], status_code=202)
def replay_webhook_delivery(
    webhook_id: WebhookId, message_id: MessageId, session: WriteSession, user: CurrentUser
) -> Delivery:
    """Sends a message again: the same body under the same id, signed anew."""
    return webhooks.replay(session, webhook_id, message_id, user)
