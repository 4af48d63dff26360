"""Client methods for webhooks and their deliveries: `FineryClient.webhooks`."""

from collections.abc import Sequence

from finery.client.responses import Answer
from finery.client.transport import Transport, api_path, parse, without_none
from finery.contracts.webhooks import (
    Delivery,
    DeliveryPage,
    MessageState,
    Webhook,
    WebhookScope,
    WebhookWithSecret,
)


class WebhookList(Answer):
    webhooks: list[Webhook]


class Webhooks:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        url: str,
        *,
        name: str | None = None,
        event_types: Sequence[str] | None = None,
        scope: WebhookScope = WebhookScope.MINE,
    ) -> WebhookWithSecret:
        """Creates a webhook; the answer alone holds its signing secret.

        Without `event_types` it hears of the ends of runs.
        """
        body = without_none({"url": url, "name": name, "event_types": event_types or None, "scope": scope.value})
        return self._transport.post(WebhookWithSecret, api_path("webhooks"), body=body)

    def list(self) -> list[Webhook]:
        """Returns the webhooks, newest first."""
        return self._transport.get(WebhookList, api_path("webhooks")).webhooks

    def get(self, webhook_id: str) -> Webhook:
        return self._transport.get(Webhook, api_path("webhooks", webhook_id))

    def update(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        name: str | None = None,
        event_types: Sequence[str] | None = None,
        scope: WebhookScope | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """Changes what is given."""
        types = event_types or None
        changes = {"url": url, "name": name, "event_types": types, "scope": scope, "enabled": enabled}
        path = api_path("webhooks", webhook_id)
        return parse(Webhook, self._transport.request("PATCH", path, body=without_none(changes), repeatable=True))

    def delete(self, webhook_id: str) -> None:
        """Deletes a webhook with its messages, sent or not."""
        self._transport.request("DELETE", api_path("webhooks", webhook_id))

    def rotate_secret(self, webhook_id: str, *, keep_old: bool = True) -> WebhookWithSecret:
        """Draws another secret. With `keep_old`, messages are signed with both secrets for 24 hours."""
        path = api_path("webhooks", webhook_id, "rotate-secret")
        return self._transport.post(WebhookWithSecret, path, body={"keep_old": keep_old})

    def test(self, webhook_id: str) -> Delivery:
        """Sends a message of the type `webhook.test` at once; `delivery` tells what became of it."""
        return self._transport.post(Delivery, api_path("webhooks", webhook_id, "test"))

    def deliveries(
        self,
        webhook_id: str,
        *,
        state: MessageState | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> DeliveryPage:
        """Returns deliveries newest first; `next_cursor` leads to the older ones."""
        parameters = {"state": state, "limit": limit, "cursor": cursor}
        return self._transport.get(DeliveryPage, api_path("webhooks", webhook_id, "deliveries"), parameters)

    def delivery(self, webhook_id: str, message_id: str) -> Delivery:
        return self._transport.get(Delivery, api_path("webhooks", webhook_id, "deliveries", message_id))

    def replay(self, webhook_id: str, message_id: str) -> Delivery:
        """Sends a message again: the same body under the same id."""
        return self._transport.post(Delivery, api_path("webhooks", webhook_id, "deliveries", message_id, "replay"))
