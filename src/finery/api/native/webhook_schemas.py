"""The wire types of webhooks, where contracts has no word for it."""

from pydantic import BaseModel, ConfigDict

from finery.contracts.webhooks import Webhook


class WebhookList(BaseModel):
    """Newest first."""

    webhooks: list[Webhook]


class RotateSecretRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keep_old: bool = True
    """For 24 hours messages are signed with the old secret, too."""
