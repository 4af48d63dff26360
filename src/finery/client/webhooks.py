"""Webhooks: what happens to runs, told to an address of one's own."""

from collections.abc import Sequence
from urllib.parse import quote

from finery.client.responses import Answer
from finery.client.transport import PREFIX, Transport, given, parse
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
        """Default: told when a run of one's own has ended. The signing secret is shown this once."""
        types = list(event_types) if event_types else None
        body = given({"url": url, "name": name, "event_types": types, "scope": scope.value})
        return self._transport.post(WebhookWithSecret, f"{PREFIX}/webhooks", body=body)

    def list(self) -> list[Webhook]:
        """Newest first."""
        return self._transport.get(WebhookList, f"{PREFIX}/webhooks").webhooks

    def get(self, webhook_id: str) -> Webhook:
        return self._transport.get(Webhook, _path(webhook_id))

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
        """Change what is given."""
        types = list(event_types) if event_types else None
        changes = {"url": url, "name": name, "event_types": types, "scope": scope, "enabled": enabled}
        answer = self._transport.request("PATCH", _path(webhook_id), body=given(changes), repeatable=True)
        return parse(Webhook, answer)

    def delete(self, webhook_id: str) -> None:
        """With its messages, sent or not."""
        self._transport.request("DELETE", _path(webhook_id))

    def rotate_secret(self, webhook_id: str, *, keep_old: bool = True) -> WebhookWithSecret:
        """With `keep_old`, messages are signed with both secrets for 24 hours."""
        path = f"{_path(webhook_id)}/rotate-secret"
        return self._transport.post(WebhookWithSecret, path, body={"keep_old": keep_old})

    def test(self, webhook_id: str) -> Delivery:
        """A message of the type `webhook.test`, sent at once; `delivery` tells what became of it."""
        return self._transport.post(Delivery, f"{_path(webhook_id)}/test")

    def deliveries(
        self,
        webhook_id: str,
        *,
        state: MessageState | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> DeliveryPage:
        """Newest first; `next_cursor` leads to the older ones."""
        parameters = {"state": state, "limit": limit, "cursor": cursor}
        return self._transport.get(DeliveryPage, f"{_path(webhook_id)}/deliveries", parameters)

    def delivery(self, webhook_id: str, message_id: str) -> Delivery:
        return self._transport.get(Delivery, _message(webhook_id, message_id))

    def replay(self, webhook_id: str, message_id: str) -> Delivery:
        """Send it again: the same body under the same id."""
        return self._transport.post(Delivery, f"{_message(webhook_id, message_id)}/replay")


def _path(webhook_id: str) -> str:
    return f"{PREFIX}/webhooks/{quote(webhook_id, safe='')}"


def _message(webhook_id: str, message_id: str) -> str:
    return f"{_path(webhook_id)}/deliveries/{quote(message_id, safe='')}"
