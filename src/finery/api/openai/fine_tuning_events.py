"""Maps a run's events, checkpoints and metrics to the events, checkpoints and result file of a fine-tuning job."""

import csv
import io
import math
from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from finery.api.openai.dialect import PARAMETERS
from finery.api.openai.fine_tuning_mapping import name_of, without_field
from finery.api.openai.fine_tuning_schemas import CheckpointMetrics, JobCheckpoint, JobEvent
from finery.api.openai.fine_tuning_words import in_openai_words
from finery.contracts.checkpoint import Checkpoint
from finery.contracts.events import Event, EventType
from finery.contracts.run import Run
from finery.contracts.status import RunStatus

RESULT_COLUMNS = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")
STATUS_MESSAGES = {
    "queued": "The job is queued",
    "starting": "The job is being started",
    "running": "The job is running",
    "paused": "The job is paused at a checkpoint",
    "cancelled": "The job was cancelled",
}
INTENT_MESSAGES = {
    "cancel": "Cancellation was requested",
    "pause": "A pause was requested",
    "stop": "An early end was requested",
    None: "The pause was taken back",
}
LEVELS: Mapping[str, Literal["info", "warn", "error"]] = {"info": "info", "warning": "warn", "error": "error"}


def to_event(event: Event, run: Run) -> JobEvent:
    level, message, data = _DESCRIBERS[event.type](event.data.as_json(), run)
    is_metric = event.type in (EventType.PROGRESS, EventType.EVALUATION)
    return JobEvent(
        id=event_id(event),
        created_at=int(event.at),
        level=level,
        message=message,
        type="metrics" if is_metric else "message",
        data=data,
    )


def event_id(event: Event) -> str:
    return f"ftevent-{event.run_id}-{event.sequence}"


def sequence_of(run_id: str, identifier: str) -> int | None:
    """Returns the sequence number in an event's id, or None when it is no event of this run."""
    number = identifier.removeprefix(f"ftevent-{run_id}-")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None


def to_checkpoint(checkpoint: Checkpoint, run: Run) -> JobCheckpoint:
    return JobCheckpoint(
        id=checkpoint_id(run.id, checkpoint.step),
        created_at=int(checkpoint.at),
        fine_tuned_model_checkpoint=name_of(run, step=checkpoint.step),
        fine_tuning_job_id=run.id,
        step_number=checkpoint.step,
        metrics=CheckpointMetrics(
            step=checkpoint.step,
            train_loss=checkpoint.metrics.get("loss"),
            train_mean_token_accuracy=checkpoint.metrics.get("token_accuracy"),
            valid_loss=checkpoint.evaluation.get("loss"),
            valid_mean_token_accuracy=checkpoint.evaluation.get("token_accuracy"),
            # Every evaluation here goes over all rows of the validation file, so the full loss is the same.
            full_valid_loss=checkpoint.evaluation.get("loss"),
            full_valid_mean_token_accuracy=checkpoint.evaluation.get("token_accuracy"),
        ),
    )


def checkpoint_id(run_id: str, step: int) -> str:
    return f"ftckpt_{run_id}_{step}"


def results_csv(metrics: Iterable[tuple[str, Mapping[str, Any]]]) -> bytes:
    """Returns a CSV file with a line for each step; an evaluation's metrics stand on the line of the step before it.

    `metrics` are pairs of an event's type and its data; about 100 bytes a step are in memory at a time.
    """
    row_of: dict[int, int] = {}
    columns = tuple(array("d") for _ in RESULT_COLUMNS[1:])
    for type_, data in metrics:
        step = int(data.get("step") or 0)
        row = row_of.setdefault(step, len(row_of))
        if row == len(columns[0]):
            for column in columns:
                column.append(math.nan)
        loss, accuracy = columns[2:] if type_ == EventType.EVALUATION else columns[:2]
        loss[row], accuracy[row] = _number(data.get("loss")), _number(data.get("token_accuracy"))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(RESULT_COLUMNS)
    for step in sorted(row_of):
        values = (column[row_of[step]] for column in columns)
        writer.writerow([step, *(None if math.isnan(value) else value for value in values)])
    return text.getvalue().encode()


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


Description = tuple[Literal["info", "warn", "error"], str, dict[str, Any]]
"""An event's level, message and data."""


def _status(data: Mapping[str, Any], run: Run) -> Description:
    word = str(data.get("to"))
    if word == "succeeded":
        return "info", f"The job has successfully completed. New fine-tuned model: {name_of(run)}", {}
    if word == "failed":
        message = str(data.get("message") or run.error or "The job failed")
        return "error", in_openai_words(without_field(message, run.error_field)), {}
    if word == "queued" and run.status is RunStatus.FAILED and not run.attempt:
        # The job's data were refused when it was created, so it never stood in the queue.
        return "info", "The job was created", {}
    return "info", STATUS_MESSAGES.get(word, f"The job is {word}"), {}


def _intent(data: Mapping[str, Any], _: Run) -> Description:
    return "info", INTENT_MESSAGES.get(data.get("intent"), "A request was stored"), {}


def _stage(data: Mapping[str, Any], _: Run) -> Description:
    return "info", str(data.get("label") or data.get("stage")), {}


def _progress(data: Mapping[str, Any], _: Run) -> Description:
    step, total, loss = data.get("step"), data.get("total_steps"), data.get("loss")
    metrics = _metrics(data, prefix="train_") | {"step": step, "total_steps": total}
    shown = [f"training loss={loss:.4f}"] if isinstance(loss, int | float) else []
    if isinstance(reward := data.get("reward"), int | float):
        # The loss of reinforcement learning goes neither up nor down.
        shown = [f"reward={reward:.4f}", *shown]
    return "info", f"Step {step}/{total}{': ' if shown else ''}{', '.join(shown)}", metrics


def _evaluation(data: Mapping[str, Any], _: Run) -> Description:
    metrics = _metrics(data, prefix="valid_") | {"step": data.get("step")}
    loss = data.get("loss")
    shown = "" if loss is None else f": validation loss={loss:.4f}"
    return "info", f"Evaluation at step {data.get('step')}{shown}", metrics


def _checkpoint(data: Mapping[str, Any], run: Run) -> Description:
    step = int(data["step"])
    return "info", f"Checkpoint created at step {step}", {"checkpoint_id": checkpoint_id(run.id, step), "step": step}


def _notice(data: Mapping[str, Any], _: Run) -> Description:
    extra = {key: value for key, value in data.items() if key not in ("level", "message", "setting")}
    if (parameter := PARAMETERS.get(str(data.get("setting")))) is not None:
        extra["param"] = parameter
    return LEVELS.get(str(data.get("level")), "info"), in_openai_words(str(data.get("message"))), extra


_DESCRIBERS: dict[EventType, Callable[[Mapping[str, Any], Run], Description]] = {
    EventType.STATUS: _status,
    EventType.INTENT: _intent,
    EventType.STAGE: _stage,
    EventType.PROGRESS: _progress,
    EventType.EVALUATION: _evaluation,
    EventType.CHECKPOINT: _checkpoint,
    EventType.NOTICE: _notice,
}
LISTED_TYPES = frozenset(_DESCRIBERS)
"""Without samples and final metrics, which have no place among a job's events."""

NAMES = {"token_accuracy": "mean_token_accuracy"}
NOT_METRICS = frozenset({"step", "total_steps", "epoch", "total_epochs", "eta_seconds", "memory_bytes", "tokens"})


def _metrics(data: Mapping[str, Any], *, prefix: str) -> dict[str, Any]:
    """Returns `train_loss`, `train_mean_token_accuracy`, … without what is no number."""
    return {
        f"{prefix}{NAMES.get(name, name)}": value
        for name, value in data.items()
        if name not in NOT_METRICS and isinstance(value, int | float)
    }
