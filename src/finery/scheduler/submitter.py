"""The submit loop: claims queued runs, one after the other, and has the executor start them."""

import logging
from collections.abc import Mapping

from sqlalchemy.exc import SQLAlchemyError

from finery.contracts.process import Handle
from finery.contracts.status import Reason
from finery.db import Database
from finery.domain import secrets
from finery.domain.context import DomainContext
from finery.domain.errors import DomainError
from finery.domain.runs import attempts, claims
from finery.domain.runs.claims import Claim
from finery.domain.server_lease import LeaseLost
from finery.executors.base import Executor, SubmitFailed, Unreachable
from finery.kit.failpoints import failpoint
from finery.kit.redaction import NOTHING
from finery.kit.shortages import is_shortage
from finery.scheduler.back_off import BackOff, PutBacks
from finery.scheduler.redactors import Redactors
from finery.scheduler.run_launch import render_launch
from finery.scheduler.settings import SchedulerSettings
from finery.scheduler.watcher import give_back

log = logging.getLogger(__name__)


class Submitter:
    def __init__(
        self,
        database: Database,
        context: DomainContext,
        executors: Mapping[str, Executor],
        settings: SchedulerSettings,
        redactors: Redactors,
        back_off: BackOff,
    ) -> None:
        self._database = database
        self._context = context
        self._executors = executors
        self._settings = settings
        self._redactors = redactors
        self._back_off = back_off
        self._busy = False
        self._put_backs = PutBacks(back_off)

    @property
    def is_busy(self) -> bool:
        """True from before a claim until its handle is stored, or the claim is given back."""
        return self._busy or bool(self._put_backs)

    def work(self) -> float:
        """Start everything that fits now."""
        self._busy = True
        try:
            self._put_backs.settle_all()
            while not (wait := self._back_off.seconds()) and (claim := self._claim()) is not None:
                failpoint("submit.claimed")
                self._submit(claim)
        finally:
            self._busy = False
        return min(wait or self._settings.idle_seconds, self._settings.idle_seconds)

    def _claim(self) -> Claim | None:
        machine = self._context.machine()
        with self._database.read() as session:
            if not claims.may_start(session, machine):
                return None
        with self._database.write() as session:
            self._context.live.lease.check(session)
            return claims.claim_next(
                session, machine, executor=self._settings.executor, max_passed=self._settings.max_passed
            )

    def _submit(self, claim: Claim) -> None:
        """Write the launch files first, then start the process, then store its handle: the next start of the server
        sees after which of them a crash came."""
        redact, executor = NOTHING, self._executors[claim.executor]
        try:
            values = self._secrets_of(claim)
            redact = self._redactors.remember(claim.ref, values.values())
            context, grace = self._context, self._settings.grace_seconds
            launch = render_launch(claim, executor, context.home, context.home_id, context.machine(), grace, values)
            failpoint("submit.rendered")
            # This server may have slept since the claim: then somebody else may have the run.
            self._context.live.lease.confirm(self._database)
            handle = executor.submit(launch)
        except LeaseLost:
            raise
        except Exception as error:
            if is_shortage(error) or isinstance(error, SQLAlchemyError | Unreachable):
                self._put_back(claim, executor, redact(str(error)))
            elif isinstance(error, SubmitFailed | DomainError | OSError):
                self._start_failed(claim, redact(str(error)))
            else:
                log.exception("the start of run %s went wrong", claim.run_id)
                # It may have gone wrong after the process was started.
                executor.sweep(self._handle_of(claim))
                self._start_failed(claim, redact(f"{type(error).__name__}: {error}"))
            return
        self._back_off.end()
        failpoint("submit.submitted")
        with self._database.write() as session:
            owned = attempts.record_handle(session, claim.ref, handle)
        if not owned:
            log.warning("run %s was taken over while it was being started; it is ended here", claim.run_id)
            # The record does not lead to this process, so nobody else would end it.
            executor.sweep(handle)
        failpoint("submit.recorded")

    def _secrets_of(self, claim: Claim) -> dict[str, str]:
        """Returns the values by variable. They are read at each launch, so that a changed one counts from then on."""
        needed, optional = claim.resolved.secrets, claim.resolved.optional_secrets
        if not needed and not optional:
            return {}
        with self._database.read() as session:
            return secrets.resolve(session, self._context.secrets, needed, owner_id=claim.owner_id, optional=optional)

    def _put_back(self, claim: Claim, executor: Executor, why: str) -> None:
        handle = self._handle_of(claim)

        def undo(message: str | None) -> None:
            give_back(self._database, executor, self._redactors, claim.ref, handle, message)

        self._put_backs.put_back(f"run {claim.run_id}", why, undo)

    def _handle_of(self, claim: Claim) -> Handle:
        return Handle(directory=self._context.home.run(claim.run_id).path, attempt=claim.ref.attempt)

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
