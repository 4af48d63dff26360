"""Renders webhook messages as JSON: the events in Finery's own form, beside those that a dialect renders."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from finery.contracts.status import RunStatus
from finery.contracts.webhook_events import EventBody, RunEvent, WebhookEventRenderer
from finery.contracts.webhooks import EVENT_PREFIX, MESSAGE_PREFIX, TEST_EVENT, RunEventType
from finery.domain.context import DomainContext

DIGITS = 32

STATUS_OF: Mapping[RunEventType, RunStatus] = {
    RunEventType.QUEUED: RunStatus.QUEUED,
    RunEventType.STARTED: RunStatus.RUNNING,
    RunEventType.PAUSED: RunStatus.PAUSED,
    RunEventType.SUCCEEDED: RunStatus.SUCCEEDED,
    RunEventType.FAILED: RunStatus.FAILED,
    RunEventType.CANCELLED: RunStatus.CANCELLED,
}
EVENT_OF_OUTBOX = {f"run.{status}": type for type, status in STATUS_OF.items()}


def renderers_of(context: DomainContext) -> tuple[WebhookEventRenderer, ...]:
    """Return the neutral form's maker, and those of the APIs."""
    return (NEUTRAL, *context.webhook_renderers)


def event_id(*parts: object) -> str:
    """Return the same id for the same parts."""
    return EVENT_PREFIX + _digest(parts)


def message_id(*parts: object) -> str:
    return MESSAGE_PREFIX + _digest(parts)


def to_text(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def test_body(id: str, webhook_id: str, at: datetime) -> EventBody:
    body = {"id": id, "type": TEST_EVENT, "created_at": at.isoformat(), "data": {"webhook_id": webhook_id}}
    return EventBody(TEST_EVENT, body)


def _digest(parts: Iterable[object]) -> str:
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()[:DIGITS]


def _neutral_body(event: RunEvent) -> EventBody:
    run = event.run
    has_finished = STATUS_OF[event.type].is_finished
    data = {
        "id": run.id,
        "status": STATUS_OF[event.type],
        "reason": run.reason if has_finished else None,
        "error": run.error if has_finished else None,
        "recipe": run.recipe,
        "source": run.source,
        "name": run.name,
        "labels": run.labels,
        "owner_id": run.owner_id,
        "model_name": run.model_name,
        "output_dir": run.output_dir,
        "created_at": run.created_at.isoformat(),
        "started_at": run.started_at.isoformat() if run.started_at else None,
        "finished_at": run.finished_at.isoformat() if has_finished and run.finished_at else None,
    }
    body = {"id": event.id, "type": event.type, "created_at": event.at.isoformat(), "data": data}
    return EventBody(event.type, body)


NEUTRAL = WebhookEventRenderer(tuple(RunEventType), _neutral_body)
