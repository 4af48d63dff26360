"""HTTP routes of `/v1/webhook_endpoints` and `/v1/webhook_event_types`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from finery.api.openai.dialect import ERRORS, PREFIX, After, OpenAIRoute
from finery.api.openai.pages import refuse_unknown_parameters
from finery.api.openai.webhook_events import EVENTS, sample_body
from finery.api.openai.webhook_mapping import (
    to_changes,
    to_endpoint,
    to_endpoint_page,
    to_endpoint_with_secret,
    to_new_webhook,
)
from finery.api.openai.webhook_schemas import (
    CreateWebhookEndpointRequest,
    RotateSecretRequest,
    TestRequest,
    UpdateWebhookEndpointRequest,
    WebhookEndpoint,
    WebhookEndpointDeleted,
    WebhookEndpointPage,
    WebhookEndpointTestResult,
    WebhookEndpointWithSecret,
    WebhookEventTypeList,
)
from finery.domain import webhooks
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext
from finery.http.session import CurrentTransactions, ReadSession, WriteSession
from finery.http.webhook_testing import send_test_and_wait
from finery.kit.clock import utc_now

OWN = Depends(Allow(Permission.WEBHOOKS_WRITE))
EndpointId = Annotated[str, Path(min_length=1, max_length=64)]
Limit = Annotated[int, Query(ge=1, le=100)]

router = APIRouter(
    prefix=PREFIX,
    route_class=OpenAIRoute,
    tags=["openai: webhooks"],
    responses=ERRORS,
    dependencies=[Depends(refuse_unknown_parameters)],
)


@router.post("/webhook_endpoints", dependencies=[OWN])
def create_webhook_endpoint(
    body: CreateWebhookEndpointRequest, session: WriteSession, context: CurrentContext, user: CurrentUser
) -> WebhookEndpointWithSecret:
    """Creates an endpoint; its signing secret is shown this once."""
    return to_endpoint_with_secret(webhooks.create(session, to_new_webhook(body), context, user))


@router.get("/webhook_endpoints", dependencies=[OWN])
def list_webhook_endpoints(
    session: ReadSession, user: CurrentUser, after: After = None, limit: Limit = 20
) -> WebhookEndpointPage:
    return to_endpoint_page(webhooks.list_all(session, user), after=after, limit=limit)


@router.get("/webhook_endpoints/{webhook_endpoint_id}", dependencies=[OWN])
def retrieve_webhook_endpoint(
    webhook_endpoint_id: EndpointId, session: ReadSession, user: CurrentUser
) -> WebhookEndpoint:
    return to_endpoint(webhooks.get(session, webhook_endpoint_id, user))


@router.post("/webhook_endpoints/{webhook_endpoint_id}", dependencies=[OWN])
def update_webhook_endpoint(
    webhook_endpoint_id: EndpointId,
    body: UpdateWebhookEndpointRequest,
    session: WriteSession,
    context: CurrentContext,
    user: CurrentUser,
) -> WebhookEndpoint:
    return to_endpoint(webhooks.change(session, webhook_endpoint_id, to_changes(body), context, user))


@router.delete("/webhook_endpoints/{webhook_endpoint_id}", dependencies=[OWN])
def delete_webhook_endpoint(
    webhook_endpoint_id: EndpointId, session: WriteSession, user: CurrentUser
) -> WebhookEndpointDeleted:
    webhooks.delete(session, webhook_endpoint_id, user)
    return WebhookEndpointDeleted(id=webhook_endpoint_id)


@router.post("/webhook_endpoints/{webhook_endpoint_id}/rotate_secret", dependencies=[OWN])
def rotate_webhook_endpoint_secret(
    webhook_endpoint_id: EndpointId,
    body: RotateSecretRequest,
    session: WriteSession,
    context: CurrentContext,
    user: CurrentUser,
) -> WebhookEndpointWithSecret:
    """Draws a new signing secret, which is shown this once."""
    keep = body.keep_old_secret_active_for_24_hours
    return to_endpoint_with_secret(webhooks.rotate_secret(session, webhook_endpoint_id, context, user, keep_old=keep))


@router.post("/webhook_endpoints/{webhook_endpoint_id}/test", dependencies=[OWN])
async def test_webhook_endpoint(
    webhook_endpoint_id: EndpointId, body: TestRequest, transactions: CurrentTransactions
) -> WebhookEndpointTestResult:
    """Sends a sample event, and answers with the receiver's status."""
    status = await send_test_and_wait(transactions, webhook_endpoint_id, sample_body(body.event_type, utc_now()))
    return WebhookEndpointTestResult(
        event_type=body.event_type, status_code=status, webhook_endpoint_id=webhook_endpoint_id
    )


@router.get("/webhook_event_types", dependencies=[OWN])
async def list_webhook_event_types() -> WebhookEventTypeList:
    return WebhookEventTypeList(data=list(EVENTS.types))
