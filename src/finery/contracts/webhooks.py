"""Webhooks: who is told of what, and what became of each message."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

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
    """Accepted, or queued again: resumed, or lost and to be resumed."""
    STARTED = "run.started"
    """Its process was seen alive; once an attempt."""
    PAUSED = "run.paused"
    SUCCEEDED = "run.succeeded"
    FAILED = "run.failed"
    CANCELLED = "run.cancelled"


TEST_EVENT = "webhook.test"
DEFAULT_TYPES = (RunEventType.SUCCEEDED, RunEventType.FAILED, RunEventType.CANCELLED)


class WebhookScope(StrEnum):
    """Of whose runs a webhook tells."""

    MINE = "mine"
    ALL = "all"
    """Everyone's; only who may see everyone's runs has such a one."""


class MessageState(StrEnum):
    PENDING = "pending"
    """To be sent, for the first time or again."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """Every attempt failed; it is sent again when somebody asks for it."""
    CANCELLED = "cancelled"
    """Its webhook was switched off before."""


class NewWebhook(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    url: UrlText
    name: NameText | None = None
    """None: the address's host."""
    event_types: TypeList = list(DEFAULT_TYPES)
    scope: WebhookScope = WebhookScope.MINE


class WebhookChanges(BaseModel):
    """Only what is set changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: UrlText | None = None
    name: NameText | None = None
    event_types: TypeList | None = None
    scope: WebhookScope | None = None
    enabled: bool | None = None


class Webhook(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    owner_id: str | None
    """A user's id; None: the server's, seen by those who see everyone's runs."""
    name: str
    url: str
    event_types: list[str]
    scope: WebhookScope
    enabled: bool
    disabled_reason: str | None
    secret_hint: str
    """The last characters of the signing secret."""
    previous_secret_until: datetime | None
    """Until then messages are signed with the secret before, too."""
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(Webhook):
    secret: str = Field(repr=False)
    """The signing secret, `whsec_…`; shown this once."""


class DeliveryAttempt(BaseModel):
    model_config = ConfigDict(frozen=True)

    number: int
    at: datetime
    status_code: int | None
    """What the receiver answered; None: nothing."""
    error: str | None
    response: str | None
    """The begin of its answer, at most 1 KiB."""
    milliseconds: int | None
    """None while it is under way."""

    @property
    def has_ended(self) -> bool:
        return self.milliseconds is not None or self.error is not None


class Delivery(BaseModel):
    """A message to one webhook, and its attempts."""

    model_config = ConfigDict(frozen=True)

    id: str
    """The `webhook-id` header; the same in every attempt."""
    type: str
    state: MessageState
    payload: str
    """The body, exactly as it is sent."""
    created_at: datetime
    next_attempt_at: datetime | None
    attempts: list[DeliveryAttempt]


class DeliveryPage(BaseModel):
    """Newest first."""

    deliveries: list[Delivery]
    next_cursor: str | None
