"""What is told about a run while it goes on: a trainer appends it to events.jsonl, the server numbers and stores it."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict


class EventType(StrEnum):
    STATUS = "status"
    """By the server. data: `from, to, reason?, message?`."""
    INTENT = "intent"
    """By the server. data: `intent`."""
    STAGE = "stage"
    """data: `stage` (loading_data, loading_model, training, evaluating, saving, merging,
    checking, probing), `label`."""
    PROGRESS = "progress"
    """data: `step, total_steps, epoch, total_epochs, loss, learning_rate, grad_norm, token_accuracy,
    tokens, tokens_per_second, eta_seconds, memory_bytes, …`; absent when the recipe has no such figure."""
    EVALUATION = "evaluation"
    """data: `step, loss, …` on the evaluation rows."""
    CHECKPOINT = "checkpoint"
    """data: `step, path` (absolute)."""
    SAMPLE = "sample"
    """data: `step, prompt, text`."""
    NOTICE = "notice"
    """data: `level` (info, warning, error), `code`, `message`, and what else the code says."""
    RESULT = "result"
    """data: the final figures."""


class TrainerEvent(BaseModel):
    """One line of events.jsonl."""

    type: EventType
    at: float
    """Seconds since 1970-01-01 UTC."""
    data: dict[str, Any] = {}


class Event(BaseModel):
    """A stored event; `sequence` counts 1, 2, 3 … within its run, without a gap."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    sequence: int
    type: EventType
    at: float
    attempt: int
    data: dict[str, Any]
