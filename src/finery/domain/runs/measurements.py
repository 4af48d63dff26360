"""Measures a run's data in its model's tokens: at once, or after it was accepted where that takes longer."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.datasets.measurement import (
    Measurement,
    MeasurementRefused,
    MeasurementRequest,
    MeasurementResult,
    NotMeasured,
)
from finery.contracts.events import NoticeData
from finery.contracts.recipes import TrainingConfig
from finery.contracts.recipes.base import TRAINING
from finery.contracts.status import Reason, RunStatus
from finery.domain.context import DomainContext
from finery.domain.datasets import named_by_reference
from finery.domain.datasets.errors import DatasetRefused
from finery.domain.datasets.measurement import refuse_misfit
from finery.domain.datasets.quick_measurement import WAIT_SECONDS, Postponed, measure_briefly
from finery.domain.errors import DomainError, Issue
from finery.domain.runs.data import TRAINING_DATA, TrainingData, notice_of
from finery.domain.runs.errors import InvalidRun
from finery.domain.runs.transitions import append_event, change_status
from finery.models import MeasurementDueRow, RunRow


@dataclass(frozen=True)
class DataNotices:
    notices: tuple[NoticeData, ...] = ()
    due: MeasurementRequest | None = None
    """The measurement to make once the run is accepted."""


@dataclass(frozen=True)
class MeasurementDue:
    run_number: int
    run_id: str
    request: MeasurementRequest | None
    """None for a request of an earlier version that this one cannot read."""


def measure_data(
    data: TrainingData, *, config: TrainingConfig, model: str, context: DomainContext, patience: float = WAIT_SECONDS
) -> DataNotices:
    """Measure what the model's template and max_length leave of the rows, in `patience` seconds at most.

    Raises DatasetRefused where nothing is left to learn, and InvalidRun for what no data could mend.
    """
    dataset = data.located.input
    with named_by_reference(dataset.name, data.located.path):
        result = measure_briefly(
            data.report,
            path=data.located.path,
            entry_name=dataset.entry,
            model=model,
            max_length=config.max_length,
            config=config.model_dump(exclude_none=True),
            context=context,
            patience=patience,
        )
    if isinstance(result, Postponed):
        return DataNotices(due=result.request)
    return DataNotices(() if result is None else _notices_of(result, name=dataset.name, path=data.located.path))


def next_due(session: Session) -> MeasurementDue | None:
    """Return the due measurement of the run that was accepted first, or None."""
    query = select(MeasurementDueRow, RunRow.id).join(RunRow, RunRow.number == MeasurementDueRow.run_number)
    first = session.execute(query.order_by(MeasurementDueRow.run_number).limit(1)).first()
    if first is None:
        return None
    due, run_id = first
    try:
        return MeasurementDue(due.run_number, run_id, MeasurementRequest.model_validate(due.request))
    except ValidationError:
        return MeasurementDue(due.run_number, run_id, None)


def record(session: Session, due: MeasurementDue, result: MeasurementResult | DatasetRefused) -> None:
    """Add the result to the run as events, and fail a run that could learn nothing and has not begun.

    Only the first call for a run does so; it changes nothing of a run that is finished or deleted.
    """
    row = session.get(RunRow, due.run_number, with_for_update=True, populate_existing=True)
    due_row = session.get(MeasurementDueRow, due.run_number)
    if row is None or due_row is None:
        return
    session.delete(due_row)
    if RunStatus(row.status).is_finished:
        return
    try:
        if isinstance(result, DatasetRefused):
            raise result
        notices = _notices_of(result, name=row.config[TRAINING], path=row.spec.datasets[TRAINING].path)
    except DatasetRefused as error:
        _refuse(session, row, error, setting=TRAINING)
        return
    except InvalidRun as error:
        _refuse(session, row, error, setting=error.issues[0].field)
        return
    for notice in notices:
        append_event(session, row, notice)


def _notices_of(result: MeasurementResult, *, name: str, path: Path) -> tuple[NoticeData, ...]:
    """Return notices of what is lost of the rows. `name` is the name of the file at `path` in the configuration.

    Raises DatasetRefused where nothing is left to learn, and InvalidRun for what no data could mend.
    """
    with named_by_reference(name, path):
        match result:
            case MeasurementRefused(refused=reason, would_fail=True, field=field):
                raise InvalidRun([Issue(field, reason)])
            case NotMeasured(reason=reason) | MeasurementRefused(refused=reason):
                message = f"{TRAINING_DATA}: not measured in the model's tokens: {reason}"
                level = "info" if isinstance(result, NotMeasured) else "warning"
                return (NoticeData(level=level, code="not_measured", message=message),)
        refuse_misfit(path, result)
    return tuple(_losses(result))


def _refuse(session: Session, row: RunRow, error: DomainError, *, setting: str) -> None:
    """Add the error as a notice, and fail the run. One that has begun ends by itself: its trainer finds the same."""
    notice = NoticeData(level="error", code=error.code, message=str(error), setting=setting)
    append_event(session, row, notice)
    if row.status == RunStatus.QUEUED and row.attempt == 0:
        change_status(session, row, RunStatus.FAILED, reason=Reason.INVALID_DATA, message=str(error), field=setting)


def _losses(measurement: Measurement) -> Iterator[NoticeData]:
    measured = f"of {measurement.measured:,} rows that were looked at"
    of = f"of {measurement.rows:,} rows" if measurement.is_exact else measured
    longest = f"max_length {measurement.max_length:,}"
    losses = {
        "rows_refused": (measurement.failed, "are left out, since the model's chat template makes nothing of them"),
        "rows_cut_away": (measurement.vanished, f"are left out, since {longest} cuts off all that would be learned"),
        "rows_truncated": (measurement.truncated, f"are longer than {longest}, and lose their end"),
    }
    for warning in measurement.warnings:
        yield notice_of(TRAINING_DATA, warning, setting=TRAINING)
    for code, (count, what) in losses.items():
        if count:
            reason = f" ({measurement.failures[0]})" if code == "rows_refused" else ""
            message = f"{TRAINING_DATA}: {count:,} {of} {what}{reason}"
            yield NoticeData(level="warning", code=code, message=message, setting=TRAINING, count=count)
