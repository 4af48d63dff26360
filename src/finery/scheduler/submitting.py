"""Queued runs are claimed, one after the other, and handed to their executor."""

import logging

from sqlalchemy.exc import SQLAlchemyError

from finery.contracts.process import Handle
from finery.contracts.status import Reason
from finery.db import Database
from finery.domain import secrets
from finery.domain.errors import DomainError
from finery.domain.ground import Ground
from finery.domain.runs import attempts, claims
from finery.domain.runs.claims import Claim
from finery.executors.base import Executor, SubmitFailed, Sweepable
from finery.kit.failpoints import failpoint
from finery.kit.redaction import NOTHING
from finery.kit.shortages import is_shortage
from finery.scheduler.back_off import BackOff
from finery.scheduler.launching import render_launch
from finery.scheduler.redacting import Redactors
from finery.scheduler.registry import LOCAL
from finery.scheduler.settings import SchedulerSettings

log = logging.getLogger(__name__)


class Submitter:
    def __init__(
        self,
        database: Database,
        ground: Ground,
        executors: dict[str, Executor],
        settings: SchedulerSettings,
        redactors: Redactors,
        back_off: BackOff,
    ) -> None:
        self._database = database
        self._ground = ground
        self._executors = executors
        self._settings = settings
        self._redactors = redactors
        self._back_off = back_off
        self._busy = False
        self._owed: list[tuple[Claim, str | None]] = []
        """Claims that are to be given back, and what their users are told."""

    @property
    def is_busy(self) -> bool:
        """True from before a claim until its handle is stored, or the claim given back."""
        return self._busy or bool(self._owed)

    def work(self) -> float:
        """Start everything that fits now."""
        self._busy = True
        try:
            self._give_back_owed()
            while not (wait := self._back_off.seconds()) and (claim := self._claim()) is not None:
                failpoint("submit.claimed")
                self._submit(claim)
        finally:
            self._busy = False
        return min(wait or self._settings.idle_seconds, self._settings.idle_seconds)

    def _claim(self) -> Claim | None:
        machine = self._ground.machine()
        with self._database.read() as session:
            if not claims.may_start(session, machine):
                return None
        with self._database.write() as session:
            self._ground.lease.check(session)
            return claims.claim_next(session, machine, executor=LOCAL, max_passed=self._settings.max_passed)

    def _submit(self, claim: Claim) -> None:
        """Launch files first, then the process, then its handle: a crash after any of them is told apart at boot."""
        redact = NOTHING
        try:
            given = self._secrets_of(claim)
            redact = self._redactors.remember(claim.ref, given.values())
            machine, grace = self._ground.machine(), self._settings.grace_seconds
            launch = render_launch(claim, self._ground.home, self._ground.home_id, machine, grace, given)
            failpoint("submit.rendered")
            # This server may have slept since the claim: then somebody else may have the run.
            self._ground.lease.confirm(self._database)
            handle = self._executors[LOCAL].submit(launch)
        except (SubmitFailed, DomainError, OSError, SQLAlchemyError) as error:
            if is_shortage(error) or isinstance(error, SQLAlchemyError):
                self._put_back(claim, redact(str(error).partition("\n")[0]))
            else:
                self._start_failed(claim, redact(str(error)))
            return
        self._back_off.end()
        failpoint("submit.submitted")
        self._record(claim, handle)
        failpoint("submit.recorded")

    def _secrets_of(self, claim: Claim) -> dict[str, str]:
        """Read at each launch, so that a changed value counts at the next attempt."""
        needed, customary = claim.resolved.secrets, claim.resolved.customary_secrets
        if not needed and not customary:
            return {}
        with self._database.read() as session:
            return secrets.resolve(
                session,
                self._ground.secrets,
                needed,
                owner_id=claim.owner_id,
                optional=customary,
            )

    def _record(self, claim: Claim, handle: Handle) -> None:
        with self._database.write() as session:
            owned = attempts.record_handle(session, claim.ref, handle)
        if not owned:
            log.warning("run %s was taken over while it was being started; it is ended here", claim.run_id)
            self._end(handle)

    def _put_back(self, claim: Claim, why: str) -> None:
        """Nothing of the run has begun: whatever the machine lacks now, the run has not failed."""
        self._owed.append((claim, self._back_off.begin(f"run {claim.run_id}", why)))
        self._give_back_owed()

    def _give_back_owed(self) -> None:
        """Raises where that, too, needs what the machine lacks: the next pass does it."""
        while self._owed:
            claim, message = self._owed[0]
            executor = self._executors[LOCAL]
            if isinstance(executor, Sweepable):
                executor.sweep(Handle(directory=self._ground.home.run(claim.run_id).path, attempt=claim.ref.attempt))
            with self._database.write() as session:
                attempts.give_back(session, claim.ref, message)
            self._redactors.forget(claim.ref)
            self._owed.pop(0)

    def _end(self, handle: Handle) -> None:
        """Nobody else knows of it."""
        executor = self._executors[LOCAL]
        if isinstance(executor, Sweepable):
            executor.sweep(handle)

    def _start_failed(self, claim: Claim, message: str) -> None:
        log.error("run %s could not be started: %s", claim.run_id, message)
        self._redactors.forget(claim.ref)
        with self._database.write() as session:
            attempts.finish(
                session,
                claim.ref,
                reason=Reason.START_FAILED,
                message=message,
                ending=None,
                max_lost=self._settings.max_lost,
            )
