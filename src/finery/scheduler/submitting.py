"""Queued runs are claimed, one after the other, and handed to their executor."""

import logging

from finery.contracts.process import Handle
from finery.contracts.status import Reason
from finery.db import Database
from finery.domain.ground import Ground
from finery.domain.runs import attempts, claims
from finery.domain.runs.claims import Claim
from finery.executors.base import Executor, SubmitFailed
from finery.kit.failpoints import failpoint
from finery.kit.pulse import Pulse
from finery.scheduler.launching import render_launch
from finery.scheduler.registry import LOCAL
from finery.scheduler.settings import SchedulerSettings

log = logging.getLogger(__name__)


class Submitter:
    def __init__(
        self,
        database: Database,
        ground: Ground,
        pulse: Pulse,
        executors: dict[str, Executor],
        settings: SchedulerSettings,
    ) -> None:
        self._database = database
        self._ground = ground
        self._pulse = pulse
        self._executors = executors
        self._settings = settings
        self._busy = False

    @property
    def is_busy(self) -> bool:
        """True from before a claim until its handle is stored."""
        return self._busy

    def work(self) -> float:
        """Start everything that fits now."""
        self._busy = True
        try:
            while (claim := self._claim()) is not None:
                failpoint("submit.claimed")
                self._pulse.notify()
                self._submit(claim)
        finally:
            self._busy = False
        return self._settings.idle_seconds

    def _claim(self) -> Claim | None:
        machine = self._ground.machine()
        with self._database.read() as session:
            if not claims.may_start(session, machine):
                return None
        with self._database.write() as session:
            return claims.claim_next(session, machine, executor=LOCAL, max_passed=self._settings.max_passed)

    def _submit(self, claim: Claim) -> None:
        """Launch files first, then the process, then its handle: a crash after any of them is told apart at boot."""
        try:
            launch = render_launch(claim, self._ground.home, self._ground.machine(), self._settings.grace_seconds)
            failpoint("submit.rendered")
            handle = self._executors[LOCAL].submit(launch)
        except (SubmitFailed, OSError) as error:
            self._start_failed(claim, error)
            return
        failpoint("submit.submitted")
        self._record(claim, handle)
        failpoint("submit.recorded")

    def _record(self, claim: Claim, handle: Handle) -> None:
        with self._database.write() as session:
            owned = attempts.record_handle(session, claim.ref, handle)
        if not owned:
            log.warning("run %s was taken over while it was being started", claim.run_id)
        self._pulse.notify()

    def _start_failed(self, claim: Claim, error: Exception) -> None:
        log.error("run %s could not be started: %s", claim.run_id, error)
        with self._database.write() as session:
            attempts.finish(
                session,
                claim.ref,
                reason=Reason.START_FAILED,
                message=str(error),
                ending=None,
                max_lost=self._settings.max_lost,
            )
        self._pulse.notify()
