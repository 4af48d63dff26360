"""The server is killed on a message's way; started again, every event arrives, each under one id."""

import json
import sys
import time

import pytest
from sqlalchemy import select

from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.status import RunStatus
from finery.contracts.webhooks import Delivery, MessageState, NewWebhook
from finery.domain import webhooks
from finery.kit.failpoints import FAILPOINTS
from finery.models import OutboxRow
from tests import builders
from tests.receiver import Receiver
from tests.scheduler.harness import Harness
from tests.scheduler.program import context_of

WEBHOOKS = {name for name in FAILPOINTS if name.startswith("webhooks.")}
TYPES = ["run.queued", "run.succeeded"]


def deliveries(harness: Harness, webhook_id: str) -> list[Delivery]:
    with harness.database.read() as session:
        return webhooks.list_deliveries(session, webhook_id, LOCAL_ADMINISTRATOR, limit=100).deliveries[::-1]


def events(harness: Harness) -> list[str]:
    """What happened, in order; a server that dies early leaves a run that is queued again."""
    with harness.database.read() as session:
        return list(session.scalars(select(OutboxRow.type).where(OutboxRow.type.in_(TYPES)).order_by(OutboxRow.id)))


class TestKilled:
    @pytest.mark.thorough
    @pytest.mark.parametrize("name", sorted(WEBHOOKS))
    def test_every_event_arrives(self, harness: Harness, name: str) -> None:
        with Receiver() as receiver:
            new = NewWebhook(url=receiver.url, event_types=TYPES)
            with harness.database.write() as session:
                webhook = webhooks.create(session, new, context_of(harness.home), LOCAL_ADMINISTRATOR)
            run_id = harness.submit(builders.command(sys.executable, "-c", "print('said')"))
            harness.start(f"{name}=kill")
            assert harness.died(30), f"{name} was never reached"
            harness.start()
            assert harness.wait_for_end(run_id).status is RunStatus.SUCCEEDED
            receiver.wait_for(len(events(harness)) + (name == "webhooks.sent"))
            while any(each.state is not MessageState.DELIVERED for each in deliveries(harness, webhook.id)):
                time.sleep(0.03)
            harness.kill()
        made = deliveries(harness, webhook.id)
        assert [each.type for each in made] == events(harness)
        assert {each.id for each in receiver.received} == {each.id for each in made}
        assert {(each.id, each.body.decode()) for each in receiver.received} == {
            (each.id, each.payload) for each in made
        }
        assert all(each.is_signed_with(webhook.secret) for each in receiver.received)
        assert {json.loads(each.payload)["data"]["id"] for each in made} == {run_id}
        harness.assert_promises(run_id)
