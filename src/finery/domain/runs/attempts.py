"""Records attempts for the scheduler. Each call names its attempt by a token, and a stale one changes nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.events import EventType, NoticeData, TrainerEvent
from finery.contracts.process import Exit, Handle
from finery.contracts.recipes import recipe_of_run
from finery.contracts.status import RECOVERY_OF_REASON, STATUS_OF_REASON, Intent, Reason, Recovery, RunStatus
from finery.db import make_room
from finery.db.topics import announce, run_topic
from finery.domain.runs.output_removal import tell_replaced
from finery.domain.runs.transitions import add_warning, append_event, change_status
from finery.kit.clock import from_epoch, now_after, utc_now
from finery.models import ArtifactRow, AttemptRow, EventRow, LogRow, RunRow

RUNS_ONCE = (
    "what it has done is not known, and nothing starts it a second time but a configuration with restartable: true"
)


@dataclass(frozen=True)
class AttemptRef:
    """Names an attempt; valid as long as the run has this token."""

    run_number: int
    attempt: int
    token: str


@dataclass(frozen=True)
class LiveAttempt:
    """An attempt that may have a process, for the scheduler's loops."""

    ref: AttemptRef
    run_id: str
    executor: str
    """The name of the executor that runs it."""
    owner_id: str | None
    secrets: list[str]
    """The names of all secrets that it may have been given."""
    status: RunStatus
    intent: Intent | None
    controls: list[str]
    handle: Handle | None
    events_offset: int


def list_live(session: Session) -> list[LiveAttempt]:
    """List the attempts of runs that are starting or running, oldest first."""
    query = (
        select(RunRow, AttemptRow)
        .join(AttemptRow, AttemptRow.live_run == RunRow.number)
        .where(RunRow.status.in_((RunStatus.STARTING, RunStatus.RUNNING)), RunRow.token.is_not(None))
        .order_by(RunRow.number)
    )
    return [
        LiveAttempt(
            ref=AttemptRef(row.number, row.attempt, row.token or ""),
            run_id=row.id,
            executor=attempt.executor,
            owner_id=row.owner_id,
            secrets=[*row.spec.secrets, *row.spec.optional_secrets],
            status=RunStatus(row.status),
            intent=Intent(row.intent) if row.intent else None,
            controls=list(row.controls),
            handle=attempt.handle,
            events_offset=row.events_offset,
        )
        for row, attempt in session.execute(query)
    ]


def record_handle(session: Session, ref: AttemptRef, handle: Handle) -> bool:
    """Store the executor's handle of the attempt; False when the attempt is no longer ours."""
    if _lock_run(session, ref) is None:
        return False
    attempt = session.get_one(AttemptRow, (ref.run_number, ref.attempt))
    attempt.handle = handle
    return True


def mark_running(session: Session, ref: AttemptRef, started_at: float) -> bool:
    row = _lock_run(session, ref)
    if row is None or row.status != RunStatus.STARTING:
        return False
    row.started_at = row.started_at or max(row.created_at, from_epoch(started_at))
    change_status(session, row, RunStatus.RUNNING)
    return True


def record_events(session: Session, ref: AttemptRef, *, start: int, end: int, events: list[TrainerEvent]) -> bool:
    """Store the events from byte `start` to `end` of the events file; False when they were stored already."""
    row = _lock_run(session, ref)
    if row is None or row.events_offset != start:
        return False
    announce(session, run_topic(row.number))
    first = row.last_sequence + 1
    row.last_sequence += len(events)
    session.bulk_insert_mappings(
        EventRow.__mapper__,
        [
            {
                "run_number": row.number,
                "sequence": first + index,
                "type": event.type.value,
                "at": event.at,
                "attempt": row.attempt,
                "data": event.data,
            }
            for index, event in enumerate(events)
        ],
    )
    for event in events:
        _apply_event(session, row, event)
    row.events_offset, row.updated_at = end, now_after(row.updated_at)
    return True


def clear_controls(session: Session, ref: AttemptRef, delivered: list[str]) -> None:
    row = _lock_run(session, ref)
    if row is not None:
        row.controls = [control for control in row.controls if control not in delivered]


def add_notice(session: Session, ref: AttemptRef, *, level: str, code: str, message: str) -> None:
    row = _lock_run(session, ref)
    if row is not None:
        append_event(session, row, NoticeData(level=level, code=code, message=message))


def finish(
    session: Session,
    ref: AttemptRef,
    *,
    reason: Reason,
    message: str | None,
    ending: Exit | None,
    max_lost: int,
    began: bool = True,
    has_checkpoint: bool = False,
) -> tuple[RunStatus, Reason] | None:
    """End the attempt; return the run's new status and the reason, or None when the attempt is no longer ours.

    An accepted cancel always wins. Where RECOVERY_OF_REASON names a recovery the run is queued again, at most
    `max_lost` times without a checkpoint in between. `began` is False where its process certainly never started.
    `has_checkpoint` says whether there is a complete checkpoint to resume from.
    """
    row = _lock_run(session, ref)
    if row is None:
        return None
    make_room(session)
    runs_once = began and not recipe_of_run(row.recipe).may_start_again(row.config)
    can_recover = not runs_once and _can_recover(row, reason, ending, has_checkpoint)
    to, reason = _decide(row, reason, ending, can_recover, max_lost)
    if to is RunStatus.FAILED and runs_once and reason in (Reason.LOST, Reason.KILLED):
        message = f"{message or 'a signal that nobody here sent asked it to end'}; {RUNS_ONCE}"
    attempt = session.get_one(AttemptRow, (ref.run_number, ref.attempt))
    attempt.exit = ending.model_dump(mode="json") if ending else None
    attempt.reason = reason
    field = ending.outcome.field if ending is not None and ending.outcome is not None else None
    change_status(session, row, to, reason=reason, message=message, field=field)
    if to is RunStatus.SUCCEEDED:
        row.progress = {**row.progress, "fraction": 1.0, "eta_seconds": 0.0}
        _add_artifacts(session, row, ending)
        tell_replaced(session, row)
    return to, reason


def _decide(
    row: RunRow, reason: Reason, ending: Exit | None, can_recover: bool, max_lost: int
) -> tuple[RunStatus, Reason]:
    if row.intent == Intent.CANCEL:
        return RunStatus.CANCELLED, Reason.CANCELLED
    was_terminated = ending is not None and ending.terminated
    if row.intent == Intent.PAUSE and (reason in (Reason.PAUSED, Reason.LOST, Reason.KILLED) or was_terminated):
        return RunStatus.PAUSED, Reason.PAUSED
    # A trainer that paused without a request must not leave its run paused: it counts as lost.
    reason = Reason.LOST if reason is Reason.PAUSED else reason
    if can_recover and row.lost_count < max_lost:
        row.lost_count += 1
        return RunStatus.QUEUED, reason
    return STATUS_OF_REASON[reason], reason


def _can_recover(row: RunRow, reason: Reason, ending: Exit | None, has_checkpoint: bool) -> bool:
    match RECOVERY_OF_REASON.get(reason, Recovery.NONE):
        case Recovery.RESTART:
            return True
        case Recovery.CHECKPOINT:
            # A recipe that is not resumable has no checkpoints; the caller has checked that it may start again.
            return has_checkpoint or not recipe_of_run(row.recipe).resumable
        case Recovery.SMALLER_BATCH:
            return recipe_of_run(row.recipe).resumable and ending is not None and ending.signal is not None
        case Recovery.NONE:
            return False


def give_back(session: Session, ref: AttemptRef, message: str | None) -> None:
    """Queue a claimed run again whose process was never started; this does not count as lost."""
    row = _lock_run(session, ref)
    if row is None:
        return
    make_room(session)
    if row.intent == Intent.CANCEL:
        change_status(session, row, RunStatus.CANCELLED, reason=Reason.CANCELLED)
    elif row.intent == Intent.PAUSE:
        change_status(session, row, RunStatus.PAUSED, reason=Reason.PAUSED)
    else:
        change_status(session, row, RunStatus.QUEUED, message=message)


def list_uncleaned(session: Session, limit: int) -> list[tuple[int, list[tuple[int, Path]]]]:
    """List finished runs whose artifacts have no hash yet: run number → (artifact id, path)."""
    query = select(RunRow.number).where(RunRow.finished_at.is_not(None), RunRow.cleaned_at.is_(None))
    uncleaned = []
    for number in session.scalars(query.limit(limit)).all():
        rows = session.execute(select(ArtifactRow.id, ArtifactRow.path).where(ArtifactRow.run_number == number))
        uncleaned.append((number, [(artifact_id, Path(path)) for artifact_id, path in rows]))
    return uncleaned


def record_cleaned(session: Session, run_number: int, hashes: dict[int, str]) -> None:
    for artifact_id, digest in hashes.items():
        artifact = session.get(ArtifactRow, artifact_id)
        if artifact is not None:
            artifact.sha256 = digest
    row = session.get(RunRow, run_number)
    if row is not None:
        row.cleaned_at = utc_now()


def _lock_run(session: Session, ref: AttemptRef) -> RunRow | None:
    """Return the locked run of the attempt, or None when the attempt is no longer ours."""
    query = (
        select(RunRow)
        .where(RunRow.number == ref.run_number, RunRow.token == ref.token, RunRow.attempt == ref.attempt)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return session.scalars(query).one_or_none()


def _apply_event(session: Session, row: RunRow, event: TrainerEvent) -> None:
    """Update the run's progress, or add to its log, from an event."""
    if event.type is EventType.PROGRESS:
        # A user's program may tell anything; the evaluation's place is its own event's.
        told = {name: value for name, value in event.data.items() if name != "evaluation"}
        row.progress = {**row.progress, **told, "fraction": _fraction(event.data, row.progress)}
    elif event.type is EventType.EVALUATION:
        row.progress = {**row.progress, "evaluation": event.data}
    elif event.type is EventType.STAGE:
        row.progress = {**row.progress, "stage": event.data.get("stage")}
    elif event.type is EventType.CHECKPOINT:
        row.lost_count = 0
    elif event.type is EventType.NOTICE:
        level, message = str(event.data.get("level", "info")).upper(), str(event.data.get("message", ""))
        session.add(LogRow(run_number=row.number, timestamp=from_epoch(event.at), level=level, message=message))
        add_warning(row, event.data)


def _fraction(data: dict[str, Any], before: dict[str, Any]) -> float:
    """Return the fraction done, 0 to 1, from the steps; the former one where the event has none."""
    step, total = data.get("step"), data.get("total_steps")
    if isinstance(step, int) and isinstance(total, int) and total > 0:
        return min(1.0, max(0.0, step / total))
    given = data.get("fraction", before.get("fraction", 0.0))
    return min(1.0, max(0.0, float(given)))


def _add_artifacts(session: Session, row: RunRow, ending: Exit | None) -> None:
    outcome = ending.outcome if ending else None
    if outcome is not None and outcome.artifacts:
        row.cleaned_at = None
    for artifact in outcome.artifacts if outcome else []:
        path = Path(artifact.path)
        session.add(
            ArtifactRow(
                run_number=row.number,
                name=artifact.name,
                type=artifact.type,
                path=str(path),
                size_bytes=_size(path),
                tags=[],
                created_at=utc_now(),
            )
        )


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else 0
