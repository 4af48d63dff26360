"""What a run's data are to its model: told at once, or after it was accepted where that takes longer."""

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
from finery.domain.datasets.quick_measurement import Postponed, measure_briefly
from finery.domain.errors import DomainError, Issue
from finery.domain.runs.data import LEARNED, Learned
from finery.domain.runs.errors import InvalidRun
from finery.domain.runs.transitions import append_event, change_status
from finery.models import MeasurementDueRow, RunRow

TEMPLATE = "chat_template"
"""The field that cures a template without end, the model's own as well."""


@dataclass(frozen=True)
class Measured:
    notices: tuple[NoticeData, ...] = ()
    due: MeasurementRequest | None = None
    """What is to be measured once the run is accepted."""


@dataclass(frozen=True)
class MeasurementDue:
    run_number: int
    run_id: str
    request: MeasurementRequest | None
    """None: an earlier version asked for what this one does not know."""


def measure_data(data: Learned, *, config: TrainingConfig, model: str, context: DomainContext) -> Measured:
    """What the model's template and max_length make of the rows. Takes two seconds at most. Raises DatasetRefused where
    nothing is left to learn, and InvalidRun for a template that ends on no row.
    """
    named = data.located.input
    with named_by_reference(named.name, data.located.path):
        found = measure_briefly(
            data.report,
            path=data.located.path,
            entry_name=named.entry,
            model=model,
            max_length=config.max_length,
            config=config.model_dump(exclude_none=True),
            context=context,
        )
    if isinstance(found, Postponed):
        return Measured(due=found.request)
    return Measured(() if found is None else _told(found, name=named.name, path=data.located.path))


def next_due(session: Session) -> MeasurementDue | None:
    """Of the run that was accepted first."""
    query = select(MeasurementDueRow, RunRow.id).join(RunRow, RunRow.number == MeasurementDueRow.run_number)
    found = session.execute(query.order_by(MeasurementDueRow.run_number).limit(1)).first()
    if found is None:
        return None
    due, run_id = found
    try:
        return MeasurementDue(due.run_number, run_id, MeasurementRequest.model_validate(due.request))
    except ValidationError:
        return MeasurementDue(due.run_number, run_id, None)


def record(session: Session, due: MeasurementDue, found: MeasurementResult | DatasetRefused) -> None:
    """Tell it as events of the run, and fail one that could learn nothing and was not begun. Once only: who comes
    second, or finds the run gone or finished, changes nothing.
    """
    row = session.get(RunRow, due.run_number, with_for_update=True, populate_existing=True)
    left = session.get(MeasurementDueRow, due.run_number)
    if row is None or left is None:
        return
    session.delete(left)
    if RunStatus(row.status).is_finished:
        return
    try:
        notices = _notices(row, found)
    except DatasetRefused as error:
        _refuse(session, row, error, setting=TRAINING)
        return
    except InvalidRun as error:
        _refuse(session, row, error, setting=TEMPLATE)
        return
    for notice in notices:
        append_event(session, row, notice)


def _notices(row: RunRow, found: MeasurementResult | DatasetRefused) -> tuple[NoticeData, ...]:
    """Raises DatasetRefused, InvalidRun."""
    if isinstance(found, DatasetRefused):
        raise found
    return _told(found, name=row.config[TRAINING], path=row.spec.datasets[TRAINING].path)


def _told(found: MeasurementResult, *, name: str, path: Path) -> tuple[NoticeData, ...]:
    """What is lost of the rows, where something is. `name`: what the file at `path` was named by.

    Raises DatasetRefused where nothing is left to learn, and InvalidRun.
    """
    with named_by_reference(name, path):
        match found:
            case MeasurementRefused(refused=reason, would_fail=True):
                raise InvalidRun([Issue(TEMPLATE, reason)])
            case NotMeasured(reason=reason) | MeasurementRefused(refused=reason):
                message = f"{LEARNED}: not measured in the model's tokens: {reason}"
                level = "info" if isinstance(found, NotMeasured) else "warning"
                return (NoticeData(level=level, code="not_measured", message=message),)
        refuse_misfit(path, found)
    return tuple(_losses(found))


def _refuse(session: Session, row: RunRow, error: DomainError, *, setting: str) -> None:
    """A run that was begun ends by itself: its trainer finds the same."""
    notice = NoticeData(level="error", code=error.code, message=str(error), setting=setting)
    append_event(session, row, notice)
    if row.status == RunStatus.QUEUED and row.attempt == 0:
        change_status(session, row, RunStatus.FAILED, reason=Reason.INVALID_DATA, message=str(error), field=setting)


def _losses(found: Measurement) -> Iterator[NoticeData]:
    of = f"of {found.rows:,} rows" if found.is_exact else f"of {found.measured:,} rows that were looked at"
    longest = f"max_length {found.max_length:,}"
    told = {
        "rows_refused": (found.failed, "are left out, since the model's chat template makes nothing of them"),
        "rows_cut_away": (found.vanished, f"are left out, since {longest} cuts off all that would be learned"),
        "rows_truncated": (found.truncated, f"are longer than {longest}, and lose their end"),
    }
    for code, (count, what) in told.items():
        if count:
            reason = f" ({found.failures[0]})" if code == "rows_refused" else ""
            message = f"{LEARNED}: {count:,} {of} {what}{reason}"
            yield NoticeData(level="warning", code=code, message=message, setting=TRAINING, count=count)
