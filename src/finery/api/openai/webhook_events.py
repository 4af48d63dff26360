"""Webhook events of fine-tuning jobs, with OpenAI's types and bodies."""

from collections.abc import Mapping
from datetime import datetime

from finery.api.openai.fine_tuning_mapping import SOURCE
from finery.contracts.webhook_events import EventBody, RunEvent, WebhookEventRenderer
from finery.contracts.webhooks import RunEventType

TYPES: Mapping[RunEventType, str] = {
    RunEventType.SUCCEEDED: "fine_tuning.job.succeeded",
    RunEventType.FAILED: "fine_tuning.job.failed",
    RunEventType.CANCELLED: "fine_tuning.job.cancelled",
}
SAMPLE_ID = "evt_sample"
SAMPLE_JOB = "ftjob-sample"


def to_event_body(event: RunEvent) -> EventBody | None:
    if event.run.source != SOURCE or event.type not in TYPES:
        return None
    return _body(event.id, TYPES[event.type], event.at, event.run.id)


def sample_body(type: str, at: datetime) -> EventBody:
    """Returns the body of a test event, which belongs to no job."""
    return _body(SAMPLE_ID, type, at, SAMPLE_JOB)


def _body(id: str, type: str, at: datetime, job_id: str) -> EventBody:
    body = {"id": id, "object": "event", "created_at": int(at.timestamp()), "type": type, "data": {"id": job_id}}
    return EventBody(type, body)


EVENTS = WebhookEventRenderer(tuple(TYPES.values()), to_event_body)
"""The event types that a webhook may subscribe to, and their bodies."""
