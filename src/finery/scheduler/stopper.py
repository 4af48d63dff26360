"""The stop loop: carries cancels, stops, pauses and other requests of users to their live runs."""

import logging
from collections.abc import Mapping

from finery.contracts.status import Intent, RunStatus
from finery.db import Database
from finery.domain.context import DomainContext
from finery.domain.runs import attempts
from finery.domain.runs.attempts import AttemptRef, LiveAttempt
from finery.executors.base import Executor
from finery.kit.failpoints import failpoint
from finery.scheduler.failure_log import FailureLog
from finery.scheduler.loop import isolated
from finery.scheduler.settings import SchedulerSettings
from finery.scheduler.watcher import handle_of

log = logging.getLogger(__name__)


class Stopper:
    """Delivers each intent once per attempt and server; after a restart once more, which changes nothing."""

    def __init__(
        self, database: Database, context: DomainContext, executors: Mapping[str, Executor], settings: SchedulerSettings
    ) -> None:
        self._database = database
        self._context = context
        self._executors = executors
        self._settings = settings
        self._failure_log = FailureLog(log)
        self._delivered: set[tuple[AttemptRef, Intent]] = set()

    def work(self) -> float:
        with self._database.read() as session:
            live = attempts.list_live(session)
        for attempt in live:
            with isolated(f"run {attempt.run_id}", self._failure_log):
                self._deliver(attempt)
        refs = {attempt.ref for attempt in live}
        self._delivered = {(ref, intent) for ref, intent in self._delivered if ref in refs}
        return self._settings.poll_seconds if live else self._settings.idle_seconds

    def _deliver(self, attempt: LiveAttempt) -> None:
        # Before it runs, the submit loop still clears away the requests to an earlier attempt. A cancel need not wait.
        if attempt.status is not RunStatus.RUNNING and attempt.intent is not Intent.CANCEL:
            return
        executor, handle = self._executors[attempt.executor], handle_of(attempt, self._context)
        if attempt.intent is not None and (attempt.ref, attempt.intent) not in self._delivered:
            failpoint("stop.before_signal")
            if attempt.intent is Intent.CANCEL:
                executor.stop(handle, self._settings.grace_seconds)
            else:
                executor.control(handle, attempt.intent.value)
            failpoint("stop.signalled")
            self._delivered.add((attempt.ref, attempt.intent))
        if attempt.controls:
            for control in attempt.controls:
                executor.control(handle, control)
            with self._database.write() as session:
                attempts.clear_controls(session, attempt.ref, attempt.controls)
