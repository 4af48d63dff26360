"""Webhooks against a real server that sends."""

import time

import pytest

from finery.client import FineryClient, FineryError
from finery.contracts.webhooks import Delivery, MessageState
from tests.receiver import Receiver, Reply


def settled(client: FineryClient, webhook_id: str, message_id: str, *states: MessageState) -> Delivery:
    while (delivery := client.webhooks.delivery(webhook_id, message_id)).state not in states:
        time.sleep(0.02)
    return delivery


class TestWebhooks:
    def test_a_run_is_told(self, api: FineryClient) -> None:
        with Receiver() as receiver:
            made = api.webhooks.create(receiver.url, name="팀", event_types=["run.succeeded"])
            run = api.create_run("command", {"argv": ["true"]}, name="실행")
            (received,) = receiver.wait_for(1)
            settled(api, made.id, received.id, MessageState.DELIVERED)
        assert received.is_signed_with(made.secret)
        assert f'"id":"{run.id}","status":"succeeded"' in received.body.decode()
        assert '"name":"실행"' in received.body.decode()

    def test_changed_rotated_deleted(self, api: FineryClient) -> None:
        made = api.webhooks.create("https://hooks.example.org/")
        assert api.webhooks.update(made.id, name="other", enabled=False).disabled_reason == "it was switched off"
        assert api.webhooks.rotate_secret(made.id, keep_old=False).previous_secret_until is None
        assert made.id in [each.id for each in api.webhooks.list()]
        api.webhooks.delete(made.id)
        with pytest.raises(FineryError, match="there is no webhook") as refused:
            api.webhooks.get(made.id)
        assert refused.value.status == 404

    def test_tested_and_replayed(self, api: FineryClient) -> None:
        with Receiver(Reply(500, b"oh"), Reply()) as receiver:
            made = api.webhooks.create(receiver.url)
            message_id = api.webhooks.test(made.id).id
            failed = settled(api, made.id, message_id, MessageState.FAILED)
            api.webhooks.replay(made.id, message_id)
            delivered = settled(api, made.id, message_id, MessageState.DELIVERED)
        assert [(each.status_code, each.response) for each in failed.attempts] == [(500, "oh")]
        assert [each.status_code for each in delivered.attempts] == [500, 200]
        assert api.webhooks.deliveries(made.id, limit=1).deliveries == [delivered]
        assert api.webhooks.deliveries(made.id, state=MessageState.FAILED).deliveries == []
