"""Changes the status of runs, and numbers their events: the only place that does either."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from finery.contracts.events import EventData, IntentData, NoticeData, StatusData
from finery.contracts.run import EXTERNAL as EXTERNAL
from finery.contracts.run import Progress
from finery.contracts.status import EXTERNAL_TRANSITIONS, TRANSITIONS, Intent, Reason, RunStatus
from finery.db.topics import Topic, announce, run_topic
from finery.domain.runs.errors import TransitionRefused
from finery.kit.clock import now_after
from finery.models import AttemptRow, EventRow, LeaseRow, LogRow, OutboxRow, RunRow

MOST_WARNINGS, MOST_OF_CODE, MOST_OF_MESSAGE = 20, 200, 1000
"""Warnings that a run keeps, and characters of each."""


def change_status(
    session: Session,
    row: RunRow,
    to: RunStatus,
    *,
    reason: Reason | None = None,
    message: str | None = None,
    field: str | None = None,
) -> None:
    """Change the status of a locked run, and add its event, log line and outbox row in the same transaction.

    The caller has locked the row (`lock_row`, or a claim by token), so that the status checked here is the one that is
    replaced. `field` is the field of the configuration that the message is about. Raises TransitionRefused, always for
    a finished run.
    """
    source = RunStatus(row.status)
    table = EXTERNAL_TRANSITIONS if row.recipe == EXTERNAL else TRANSITIONS
    if to not in table.get(source, frozenset()):
        raise TransitionRefused(row.id, source, to)
    now = _now_of(row)
    row.status, row.updated_at = to, now
    if to is RunStatus.RUNNING and row.started_at is None:
        row.started_at = now
    if not to.is_live and row.recipe != EXTERNAL:
        _release(session, row, now)
        row.intent = row.intent if to is RunStatus.QUEUED else None
    if to.is_finished:
        row.finished_at, row.reason, row.output_key = now, reason, None
        row.error, row.error_field = message, field
        row.cleaned_at = now
        row.final_loss = Progress.model_validate(row.progress).loss
    _announce(session, row, to)
    values = {"from": source, "to": to, "reason": reason, "message": message, "field": field}
    data = StatusData.model_validate({name: value for name, value in values.items() if value is not None})
    append_event(session, row, data)
    level = "ERROR" if to is RunStatus.FAILED else "INFO"
    session.add(LogRow(run_number=row.number, timestamp=now, level=level, message=_sentence(data)))
    session.add(OutboxRow(run_number=row.number, type=f"run.{to}", data={"id": row.id}, created_at=now))


def set_intent(session: Session, row: RunRow, intent: Intent) -> None:
    """Store an intent on a locked run; repeating the same intent changes nothing."""
    if row.intent == intent:
        return
    row.intent, row.updated_at = intent, _now_of(row)
    announce(session, Topic.INTENTS)
    append_event(session, row, IntentData(intent=intent))


def withdraw_intent(session: Session, row: RunRow) -> None:
    """Forget the intent of a locked run, which goes on."""
    row.intent, row.updated_at = None, _now_of(row)
    announce(session, Topic.INTENTS)
    append_event(session, row, IntentData(intent=None))


def append_event(session: Session, row: RunRow, data: EventData) -> None:
    """Add an event with the next number of its locked run. A warning also stands on the run."""
    row.last_sequence += 1
    if isinstance(data, NoticeData):
        add_warning(row, data.as_json())
    announce(session, run_topic(row.number))
    session.add(
        EventRow(
            run_number=row.number,
            sequence=row.last_sequence,
            type=data.event_type,
            at=_now_of(row).timestamp(),
            attempt=row.attempt,
            data=data.as_json(),
        )
    )


def add_warning(row: RunRow, notice: Mapping[str, Any]) -> None:
    """Keep what a notice of the level `warning` says on its run. One with a code that it has already replaces that.

    The notice may be a user's program's.
    """
    code, message = str(notice.get("code") or ""), str(notice.get("message") or "")
    if notice.get("level") != "warning" or not code:
        return
    warning = {"code": code[:MOST_OF_CODE], "message": message[:MOST_OF_MESSAGE]}
    if isinstance(setting := notice.get("setting"), str):
        warning["setting"] = setting[:MOST_OF_CODE]
    others = [other for other in row.warnings or () if other["code"] != warning["code"]]
    row.warnings = [*others, warning][:MOST_WARNINGS]


def _announce(session: Session, row: RunRow, to: RunStatus) -> None:
    if row.recipe == EXTERNAL:
        return
    # Also when the run leaves the queue or releases its devices: the next one may be able to start.
    announce(session, Topic.QUEUE)
    if to is RunStatus.RUNNING:
        # Intents from before it ran can be delivered now.
        announce(session, Topic.INTENTS)


def _now_of(row: RunRow) -> datetime:
    # The times of a run stay in order, also where the clock was set back meanwhile.
    return now_after(row.created_at, row.started_at, row.updated_at)


def _release(session: Session, row: RunRow, now: datetime) -> None:
    session.execute(delete(LeaseRow).where(LeaseRow.run_number == row.number))
    ended = update(AttemptRow).where(AttemptRow.live_run == row.number)
    session.execute(ended.values(live_run=None, finished_at=now))
    row.token, row.controls = None, []


def _sentence(data: StatusData) -> str:
    because = f" ({data.reason})" if data.reason else ""
    message = f": {data.message}" if data.message else ""
    return f"{data.source} → {data.to}{because}{message}"
