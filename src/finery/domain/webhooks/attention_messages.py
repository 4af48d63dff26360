"""Writes the messages to webhooks about what needs attention, in the transaction that stores it."""

from datetime import datetime

from sqlalchemy.orm import Session

from finery.contracts.attention import Attention, AttentionEventType
from finery.contracts.webhook_events import EventBody
from finery.domain.webhooks.fan_out import pending_message, targets
from finery.domain.webhooks.payloads import event_id, message_id


def add_attention_messages(session: Session, type: AttentionEventType, attention: Attention, now: datetime) -> None:
    """Add a message to each webhook that wants it: of one's own runs, and with the scope `all` of everybody's and of
    the machine. The server's own webhooks hear of the machine, too."""
    key = (attention.id, type, attention.since.isoformat())
    body = _body(type, attention, event_id(*key), now)
    for target in targets(session, now):
        if type in target.types and (target.sees_all or _is_of(attention, target.owner_id)):
            session.add(pending_message(target, message_id(*key, target.id), body, now))


def _is_of(attention: Attention, owner_id: str | None) -> bool:
    return owner_id == (None if attention.run is None else attention.run.owner_id)


def _body(type: AttentionEventType, attention: Attention, id: str, now: datetime) -> EventBody:
    data = attention.model_dump(mode="json")
    return EventBody(type, {"id": id, "type": type, "created_at": now.isoformat(), "data": data})
