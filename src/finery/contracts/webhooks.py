"""Webhooks and their deliveries: event types, scopes, messages and the attempts to send them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field

from finery.contracts.base_models import FrozenModel, StrictModel

WEBHOOK_PREFIX = "we_"
MESSAGE_PREFIX = "msg_"
EVENT_PREFIX = "evt_"
SIGNING_PREFIX = "whsec_"
LONGEST_URL = 2000
MOST_TYPES = 50

NameText = Annotated[str, Field(min_length=1, max_length=200)]
UrlText = Annotated[str, Field(min_length=1, max_length=LONGEST_URL)]
TypeList = Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=MOST_TYPES)]


class RunEventType(StrEnum):
    QUEUED = "run.queued"
    """Accepted, or queued again after a resume or a lost attempt."""
    STARTED = "run.started"
    """Its process was seen alive; sent once per attempt."""
    PAUSED = "run.paused"
    SUCCEEDED = "run.succeeded"
    FAILED = "run.failed"
    CANCELLED = "run.cancelled"


TEST_EVENT = "webhook.test"
DEFAULT_TYPES = (RunEventType.SUCCEEDED, RunEventType.FAILED, RunEventType.CANCELLED)


class WebhookScope(StrEnum):
    """Whose runs a webhook covers."""

    MINE = "mine"
    ALL = "all"
    """Everyone's runs; it takes the permission to see them."""


class MessageState(StrEnum):
    PENDING = "pending"
    """Waits for its first or next attempt."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """Every attempt failed; it is sent again only on request."""
    CANCELLED = "cancelled"
    """Its webhook was disabled before it was delivered."""


class NewWebhook(StrictModel):
    url: UrlText
    name: NameText | None = None
    """None: the host of the URL."""
    event_types: TypeList = list(DEFAULT_TYPES)
    scope: WebhookScope = WebhookScope.MINE


class WebhookChanges(StrictModel):
    """Changes the fields that are set."""

    url: UrlText | None = None
    name: NameText | None = None
    event_types: TypeList | None = None
    scope: WebhookScope | None = None
    enabled: bool | None = None


class Webhook(FrozenModel):
    id: str
    owner_id: str | None
    """A user's id; None: a webhook of the server, visible to those who see everyone's runs."""
    name: str
    url: str
    event_types: list[str]
    scope: WebhookScope
    enabled: bool
    disabled_reason: str | None
    secret_hint: str
    """The last characters of the signing secret."""
    previous_secret_until: datetime | None
    """Until then, messages are also signed with the previous secret."""
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(Webhook):
    secret: str = Field(repr=False)
    """The signing secret, `whsec_…`, which is shown only once."""


class DeliveryAttempt(FrozenModel):
    number: int
    at: datetime
    status_code: int | None
    """The status of the receiver's answer; None: there was no answer."""
    error: str | None
    """Why there was no answer; null: there was one."""
    response: str | None
    """The start of the answer's body, at most 1 KiB."""
    milliseconds: int | None
    """Duration; None while the attempt is in progress."""

    @property
    def has_ended(self) -> bool:
        return self.milliseconds is not None or self.error is not None


class Delivery(FrozenModel):
    """A message to one webhook, and the attempts to send it."""

    id: str
    """The value of the `webhook-id` header, the same in every attempt."""
    type: str
    """The type of the event, as `run.succeeded`."""
    state: MessageState
    payload: str
    """The body exactly as it is sent."""
    created_at: datetime
    next_attempt_at: datetime | None
    attempts: list[DeliveryAttempt]


class DeliveryPage(BaseModel):
    """Sorted from newest to oldest."""

    deliveries: list[Delivery]
    next_cursor: str | None
