"""Webhooks against a real server that sends."""

import time
from collections.abc import Iterator

import pytest

from finery.client import FineryClient, FineryError
from finery.contracts.webhooks import Delivery, MessageState
from tests.receiver import Receiver, Reply
from tests.servers import RunningServer


@pytest.fixture(scope="module")
def sending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FineryClient]:
    home = tmp_path_factory.mktemp("home")
    with RunningServer(home, FINERY_WEBHOOK_ALLOW_PRIVATE="127.0.0.1") as server, FineryClient(url=server.url) as it:
        yield it


def settled(client: FineryClient, webhook_id: str, message_id: str, *states: MessageState) -> Delivery:
    while (delivery := client.webhooks.delivery(webhook_id, message_id)).state not in states:
        time.sleep(0.02)
    return delivery


class TestWebhooks:
    def test_a_run_is_told(self, sending: FineryClient) -> None:
        with Receiver() as receiver:
            made = sending.webhooks.create(receiver.url, name="팀", event_types=["run.succeeded"])
            run = sending.create_run("command", {"argv": ["true"]}, name="실행")
            (received,) = receiver.wait_for(1)
            settled(sending, made.id, received.id, MessageState.DELIVERED)
        assert received.is_signed_with(made.secret)
        assert f'"id":"{run.id}","status":"succeeded"' in received.body.decode()
        assert '"name":"실행"' in received.body.decode()

    def test_changed_rotated_deleted(self, sending: FineryClient) -> None:
        made = sending.webhooks.create("https://hooks.example.org/")
        assert sending.webhooks.update(made.id, name="other", enabled=False).disabled_reason == "it was switched off"
        assert sending.webhooks.rotate_secret(made.id, keep_old=False).previous_secret_until is None
        assert made.id in [each.id for each in sending.webhooks.list()]
        sending.webhooks.delete(made.id)
        with pytest.raises(FineryError, match="there is no webhook") as refused:
            sending.webhooks.get(made.id)
        assert refused.value.status == 404

    def test_tested_and_replayed(self, sending: FineryClient) -> None:
        with Receiver(Reply(500, b"oh"), Reply()) as receiver:
            made = sending.webhooks.create(receiver.url)
            message_id = sending.webhooks.test(made.id).id
            failed = settled(sending, made.id, message_id, MessageState.FAILED)
            sending.webhooks.replay(made.id, message_id)
            delivered = settled(sending, made.id, message_id, MessageState.DELIVERED)
        assert [(each.status_code, each.response) for each in failed.attempts] == [(500, "oh")]
        assert [each.status_code for each in delivered.attempts] == [500, 200]
        assert sending.webhooks.deliveries(made.id, limit=1).deliveries == [delivered]
        assert sending.webhooks.deliveries(made.id, state=MessageState.FAILED).deliveries == []
