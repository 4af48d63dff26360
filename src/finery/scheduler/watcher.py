"""The watch loop: polls live runs, stores the events that they write, and decides how they ended."""

import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from finery.contracts.events import EventType, TrainerEvent
from finery.contracts.layout import RunDirectory
from finery.contracts.process import Alive, Exit, Exited, Handle, Lost, reason_of_exit
from finery.contracts.status import Reason, RunStatus
from finery.db import Database, make_room
from finery.domain.context import DomainContext
from finery.domain.runs import attempts
from finery.domain.runs.attempts import AttemptRef, LiveAttempt
from finery.executors.base import Executor, NotYet
from finery.kit.failpoints import failpoint
from finery.kit.log_lines import LogReader
from finery.kit.redaction import Redactor
from finery.kit.shortages import SHORTAGES
from finery.scheduler.back_off import BackOff
from finery.scheduler.event_lines import parse_events
from finery.scheduler.failure_log import FailureLog
from finery.scheduler.loop import isolated
from finery.scheduler.redactors import Redactors
from finery.scheduler.settings import SchedulerSettings

log = logging.getLogger(__name__)

EVENTS = "events.jsonl"
CHUNK = 2**20
"""Bytes read at a time; also the longest line that an event may have."""


class Watcher:
    def __init__(
        self,
        database: Database,
        context: DomainContext,
        executors: Mapping[str, Executor],
        settings: SchedulerSettings,
        redactors: Redactors,
        is_submitting: Callable[[], bool],
        back_off: BackOff,
        logs: LogReader | None = None,
    ) -> None:
        """`logs` counts the lines of live runs' logs as they grow, so that no later request waits for it."""
        self._database = database
        self._context = context
        self._executors = executors
        self._settings = settings
        self._failure_log = FailureLog(log)
        self._redactors = redactors
        self._is_submitting = is_submitting
        self._back_off = back_off
        self._logs = logs
        self._stopped: set[AttemptRef] = set()

    def work(self) -> float:
        """Look at every live run once.

        An attempt without a handle belongs to the submit loop while that is busy. Otherwise a server left it that
        ended in between: it is adopted when it was launched, and given back when it was not.
        """
        with self._database.read() as session:
            live = attempts.list_live(session)
        for attempt in live:
            with isolated(f"run {attempt.run_id}", self._failure_log):
                self._look(attempt)
        self._stopped &= {attempt.ref for attempt in live}
        return self._settings.poll_seconds if live else self._settings.idle_seconds

    def _look(self, attempt: LiveAttempt) -> None:
        if attempt.handle is None and self._is_submitting():
            return
        executor, handle = self._executors[attempt.executor], handle_of(attempt, self._context)
        if attempt.handle is None and not _was_launched(executor, handle):
            self._give_back(attempt, handle, "the server ended before the run was started")
            return
        observation = executor.poll(handle)
        if isinstance(observation, Alive):
            self._record_alive(attempt, handle, observation)
        elif isinstance(observation, Exited) and observation.exit.start_errno in SHORTAGES:
            self._give_back(
                attempt, handle, self._back_off.begin(f"run {attempt.run_id}", observation.exit.start_error or "")
            )
        elif isinstance(observation, Exited):
            self._drain(attempt, handle, at_end=True)
            self._count_lines(attempt)
            failpoint("watch.exit_seen")
            self._end(
                attempt, *reason_of_exit(observation.exit), observation.exit, observation.exit.started_at is not None
            )
        elif isinstance(observation, Lost):
            self._settle_lost(attempt, handle, observation)

    def _settle_lost(self, attempt: LiveAttempt, handle: Handle, observation: Lost) -> None:
        if self._executors[attempt.executor].sweep(handle):
            # What was killed may have written how it ended just before, or may live still: the next pass looks again.
            return
        self._drain(attempt, handle, at_end=True)
        self._count_lines(attempt)
        reason, message = reason_of_exit(observation.exit) if observation.exit else (Reason.LOST, observation.detail)
        self._end(attempt, reason, message, observation.exit, observation.began)

    def _give_back(self, attempt: LiveAttempt, handle: Handle, message: str | None) -> None:
        executor = self._executors[attempt.executor]
        give_back(self._database, executor, self._redactors, attempt.ref, handle, message)

    def _record_alive(self, attempt: LiveAttempt, handle: Handle, observation: Alive) -> None:
        if attempt.status is RunStatus.STARTING:
            with self._database.write() as session:
                attempts.mark_running(session, attempt.ref, observation.started_at)
        self._drain(attempt, handle)
        self._count_lines(attempt)
        if observation.stopped and attempt.ref not in self._stopped:
            self._stopped.add(attempt.ref)
            message = "the trainer is held by a stop signal (SIGSTOP); send it SIGCONT to go on"
            with self._database.write() as session:
                attempts.add_notice(session, attempt.ref, level="warning", code="trainer_held", message=message)
        elif not observation.stopped:
            self._stopped.discard(attempt.ref)

    def _drain(self, attempt: LiveAttempt, handle: Handle, *, at_end: bool = False) -> None:
        """Store every whole line that the trainer wrote since the last time; `at_end` on a full disk, too."""
        offset = attempt.events_offset
        redact, executor = self._redactors.of(attempt), self._executors[attempt.executor]
        while data := _read(executor, handle, EVENTS, offset):
            events, taken = parse_events(data, longest=CHUNK)
            if taken == 0:
                return
            events = [_with_path_here(event, executor) for event in events]
            if redact:
                events = [event.model_copy(update={"data": redact.within(event.data)}) for event in events]
            failpoint("watch.read")
            with self._database.write() as session:
                if at_end:
                    make_room(session)
                ours = attempts.record_events(session, attempt.ref, start=offset, end=offset + taken, events=events)
            failpoint("watch.stored")
            if not ours:
                return
            offset += taken

    def _count_lines(self, attempt: LiveAttempt) -> None:
        if self._logs is not None:
            with contextlib.suppress(OSError):
                self._logs.count(self._context.home.run_log(attempt.run_id))

    def _end(self, attempt: LiveAttempt, reason: Reason, message: str | None, ending: Exit | None, began: bool) -> None:
        has_checkpoint = self._context.home.run(attempt.run_id).last_checkpoint() is not None
        ending = ending and _with_paths_here(ending, self._executors[attempt.executor])
        if redact := self._redactors.of(attempt):
            message = message and redact(message)
            ending = ending and _redacted(ending, redact)
        with self._database.write() as session:
            decided = attempts.finish(
                session,
                attempt.ref,
                reason=reason,
                message=message,
                ending=ending,
                began=began,
                has_checkpoint=has_checkpoint,
                max_lost=self._settings.max_lost,
            )
        self._redactors.forget(attempt.ref)
        failpoint("watch.finished")
        if decided is not None:
            log.info("run %s: %s (%s)", attempt.run_id, *decided)


def handle_of(attempt: LiveAttempt, context: DomainContext) -> Handle:
    """Returns the stored handle, or one that finds the attempt where the server ended before it was stored."""
    if attempt.handle is not None:
        return attempt.handle
    return Handle(directory=context.home.run(attempt.run_id).path, attempt=attempt.ref.attempt)


def give_back(
    database: Database, executor: Executor, redactors: Redactors, ref: AttemptRef, handle: Handle, message: str | None
) -> None:
    """Queue a run again of whose attempt nothing has begun."""
    # Its environment, secrets included, may be on disk already.
    executor.sweep(handle)
    with database.write() as session:
        attempts.give_back(session, ref, message)
    redactors.forget(ref)


def _was_launched(executor: Executor, handle: Handle) -> bool:
    directory = RunDirectory(handle.directory)
    launch = directory.attempt(handle.attempt).launch.relative_to(directory.path)
    return bool(_read(executor, handle, str(launch), 0))


def _read(executor: Executor, handle: Handle, file: str, offset: int) -> bytes:
    try:
        return executor.read(handle, file, offset, CHUNK)
    except NotYet:
        return b""


def _with_path_here(event: TrainerEvent, executor: Executor) -> TrainerEvent:
    """Returns the event with the path of its checkpoint as the server sees it."""
    path = event.data.get("path")
    if event.type is not EventType.CHECKPOINT or not isinstance(path, str):
        return event
    return event.model_copy(update={"data": {**event.data, "path": str(executor.path_here(Path(path)))}})


def _with_paths_here(ending: Exit, executor: Executor) -> Exit:
    """Returns the ending with the paths of its artifacts as the server sees them."""
    if ending.outcome is None:
        return ending
    artifacts = [
        artifact.model_copy(update={"path": str(executor.path_here(Path(artifact.path)))})
        for artifact in ending.outcome.artifacts
    ]
    return ending.model_copy(update={"outcome": ending.outcome.model_copy(update={"artifacts": artifacts})})


def _redacted(ending: Exit, redact: Redactor) -> Exit:
    """Returns the ending with its messages redacted. Paths of artifacts stay: they must still lead to them."""
    outcome = ending.outcome
    if outcome is not None and outcome.message is not None:
        outcome = outcome.model_copy(update={"message": redact(outcome.message)})
    start_error = ending.start_error and redact(ending.start_error)
    return ending.model_copy(update={"start_error": start_error, "outcome": outcome})
