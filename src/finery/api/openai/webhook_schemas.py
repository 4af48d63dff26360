"""Request and response bodies of `/v1/webhook_endpoints`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from finery.contracts.webhooks import NameText, TypeList, UrlText


class CreateWebhookEndpointRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    event_types: TypeList
    name: NameText
    url: UrlText


class UpdateWebhookEndpointRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    event_types: TypeList | None = None
    name: NameText | None = None
    url: UrlText | None = None


class RotateSecretRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keep_old_secret_active_for_24_hours: bool = False


class TestRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    event_type: Literal["fine_tuning.job.succeeded", "fine_tuning.job.failed", "fine_tuning.job.cancelled"]


class WebhookEndpoint(BaseModel):
    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    created_at: int
    updated_at: int
    name: str
    url: str
    event_types: list[str]
    signing_secret_hint: str


class WebhookEndpointWithSecret(WebhookEndpoint):
    signing_secret: str = Field(repr=False)
    """Shown this once."""


class WebhookEndpointPage(BaseModel):
    object: Literal["list"] = "list"
    data: list[WebhookEndpoint]
    """The endpoints on this page, newest first."""
    has_more: bool
    first_id: str | None
    last_id: str | None


class WebhookEndpointDeleted(BaseModel):
    id: str
    object: Literal["webhook_endpoint.deleted"] = "webhook_endpoint.deleted"
    deleted: bool = True


class WebhookEndpointTestResult(BaseModel):
    object: Literal["webhook_endpoint.test"] = "webhook_endpoint.test"
    event_type: str
    status_code: int
    """The status of the receiver's answer."""
    success: Literal[True] = True
    """Always true: without an answer, this endpoint answers with an error."""
    webhook_endpoint_id: str


class WebhookEventTypeList(BaseModel):
    object: Literal["list"] = "list"
    data: list[str]
    """The types of events."""
