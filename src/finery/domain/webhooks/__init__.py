"""Webhooks: who is notified of which events, the messages to them, and the attempts to deliver each."""

from finery.domain.webhooks.deliveries import get_delivery, list_deliveries, replay, send_test
from finery.domain.webhooks.dispatch import (
    Dispatch,
    Outcome,
    claim,
    due_webhooks,
    next_due,
    prune,
    put_back,
    record,
    resume,
)
from finery.domain.webhooks.fan_out import fan_out, has_undelivered
from finery.domain.webhooks.payloads import NEUTRAL
from finery.domain.webhooks.service import change, create, delete, get, list_all, rotate_secret
from finery.domain.webhooks.signing import sign, signature_header

__all__ = [
    "NEUTRAL",
    "Dispatch",
    "Outcome",
    "change",
    "claim",
    "create",
    "delete",
    "due_webhooks",
    "fan_out",
    "get",
    "get_delivery",
    "has_undelivered",
    "list_all",
    "list_deliveries",
    "next_due",
    "prune",
    "put_back",
    "record",
    "replay",
    "resume",
    "rotate_secret",
    "send_test",
    "sign",
    "signature_header",
]
