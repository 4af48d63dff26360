"""Sends a webhook's test message and waits for the receiver's answer."""

import time

import anyio

from finery.contracts.webhook_events import EventBody
from finery.contracts.webhooks import Delivery, DeliveryAttempt
from finery.domain import webhooks
from finery.domain.errors import DomainError, ErrorKind
from finery.http.async_notifier import wait_for_change
from finery.http.session import Transactions

TIMEOUT_SECONDS = 30.0
POLL_SECONDS = 1.0


class ReceiverUnreachable(DomainError):
    kind = ErrorKind.INVALID
    code = "receiver_unreachable"

    def __init__(self, why: str) -> None:
        super().__init__(f"the receiver gave no answer: {why}")


class TestDeliveryPending(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "test_still_waits"

    def __init__(self, message_id: str) -> None:
        super().__init__(f"the test message {message_id} was not sent yet; its delivery is on record")


async def send_test_and_wait(transactions: Transactions, webhook_id: str, sample: EventBody) -> int:
    """Returns the status that the receiver answers. Raises ReceiverUnreachable, TestDeliveryPending, and what
    webhooks.send_test raises."""
    actor = transactions.user
    delivery = await transactions.run(lambda session: webhooks.send_test(session, webhook_id, actor, sample))
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (ended := _ended(delivery)) is None:
        if time.monotonic() > deadline:
            raise TestDeliveryPending(delivery.id)
        changed = transactions.services.async_notifier.changed
        delivery = await anyio.to_thread.run_sync(_reload, transactions, webhook_id, delivery.id)
        if _ended(delivery) is None:
            await wait_for_change(changed, POLL_SECONDS)
    if ended.status_code is None:
        raise ReceiverUnreachable(ended.error or "it was not asked")
    return ended.status_code


def _reload(transactions: Transactions, webhook_id: str, message_id: str) -> Delivery:
    with transactions.services.database.read() as session:
        return webhooks.get_delivery(session, webhook_id, message_id, transactions.user)


def _ended(delivery: Delivery) -> DeliveryAttempt | None:
    return next((attempt for attempt in delivery.attempts if attempt.has_ended), None)
