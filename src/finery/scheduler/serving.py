"""Deployments are started, minded, started again when they crash, and stopped when they idle."""

import logging
import time
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from finery.contracts.builtin_models import BUILTIN_MODELS
from finery.contracts.deployment import DeploymentStatus, StartFailure
from finery.contracts.process import Alive, Exit, Exited, Handle, Launch, Lost, reason_of_exit
from finery.contracts.recipes.environment_variables import OPTIONAL_SECRETS
from finery.db import Database
from finery.domain import deployments, secrets
from finery.domain.context import DomainContext
from finery.domain.deployments import Claim, LiveDeployment
from finery.domain.deployments.errors import EngineUnavailable
from finery.domain.errors import DomainError
from finery.domain.runs import claims
from finery.executors.base import Executor, SubmitFailed, sweep
from finery.kit.clock import utc_now
from finery.kit.notifier import Notifier
from finery.kit.redaction import Redactor
from finery.kit.shortages import SHORTAGES, is_shortage
from finery.scheduler.back_off import BackOff, PutBacks
from finery.scheduler.engine_launching import STOP_GRACE_SECONDS, loaded, render_engine_launch
from finery.scheduler.failure_log import FailureLog
from finery.scheduler.loop import each_alone
from finery.scheduler.probes import FEWEST_FAILURES, Probes
from finery.scheduler.settings import SchedulerSettings

log = logging.getLogger(__name__)

HEALTH_TIMEOUT_SECONDS = 2.0
HUNG_GRACE_SECONDS = 1.0
"""For one that does not answer; a process that is stopped hears no SIGTERM."""
USES_SECONDS = 10.0
"""Between two notes of when engines were used."""


class DeploymentKeeper:
    """Keeps each deployment's process what its record says that it should be."""

    def __init__(
        self,
        database: Database,
        context: DomainContext,
        notifier: Notifier,
        executor: Executor,
        settings: SchedulerSettings,
        back_off: BackOff,
    ) -> None:
        self._database = database
        self._context = context
        self._notifier = notifier
        self._executor = executor
        self._settings = settings
        self._back_off = back_off
        self._failure_log = FailureLog(log)
        self._settled = False
        self._noted_at = time.monotonic()
        self._probes = Probes(
            self._answers,
            every_seconds=min(settings.engine_probe_seconds, settings.engine_silence_seconds / FEWEST_FAILURES),
            silence_seconds=settings.engine_silence_seconds,
        )
        self._put_backs = PutBacks(back_off)
        self._hung: dict[str, int] = {}
        """Deployments and the attempts of theirs that are being ended, since they do not answer."""

    def work(self) -> float:
        self._settle()
        with self._database.read() as session:
            live = deployments.list_live(session)
        for one in live:
            with each_alone(_name(one), self._failure_log):
                self._look(one)
        self._probes.keep_only([one.deployment.id for one in live])
        self._make_room_for_runs(live)
        self._note_uses()
        return self._settings.poll_seconds if live else self._settings.idle_seconds

    def _settle(self) -> None:
        if self._settled:
            return
        with self._database.write() as session:
            deployments.memory_leases.settle_leases(session, self._context)
        self._settled = True

    def _look(self, one: LiveDeployment) -> None:
        if self._put_backs.settle(_name(one)):
            return
        if one.token is None:
            self._begin(one)
        else:
            self._mind(one, one.token)

    def _begin(self, one: LiveDeployment) -> None:
        if one.stop_requested:
            self._finish(one, None, None)
            return
        # What lies further ahead than any restart is put off was booked by a clock that was wrong.
        if (
            one.restart_at is not None
            and timedelta() < one.restart_at - utc_now() <= deployments.lifecycle.LONGEST_BACKOFF
        ):
            return
        if self._back_off.seconds():
            return
        with self._database.write() as session:
            claim = deployments.claim(session, one.deployment.id, self._context)
        if claim is None:
            self._make_room_for(one)
            return
        try:
            handle = self._executor.submit(self._launch(one, claim))
        except (SubmitFailed, DomainError, OSError) as error:
            if is_shortage(error):
                self._put_back(one, claim.token, str(error))
            else:
                self._finish(one, claim.token, str(error))
            return
        self._back_off.end()
        with self._database.write() as session:
            deployments.record_handle(session, one.deployment.id, claim.token, handle)

    def _put_back(self, one: LiveDeployment, token: str, why: str) -> None:
        def undo(told: str | None) -> None:
            sweep(self._executor, self._handle(one))
            with self._database.write() as session:
                deployments.put_back(session, one.deployment.id, token, told)

        self._put_backs.put_back(_name(one), why, undo)

    def _handle(self, one: LiveDeployment) -> Handle:
        directory = self._context.home.deployment(one.deployment.id).path
        return one.handle or Handle(directory=directory, attempt=one.attempt)

    def _make_room_for(self, one: LiveDeployment) -> None:
        with self._database.read() as session:
            placement = deployments.memory_leases.find_placement(session, one.details.need, self._context)
        for deployment_id in placement.evicted if placement is not None else ():
            self._unload(deployment_id, deployments.memory_leases.IDLE_SECONDS)

    def _launch(self, one: LiveDeployment, claim: Claim) -> Launch:
        engine = self._context.engines.get(one.deployment.engine)
        if engine is None or engine.missing_reason is not None:
            raise EngineUnavailable(one.deployment.engine, "is not installed here any more")
        return render_engine_launch(one, claim.device, engine, self._context, self._secrets_for(one))

    def _secrets_for(self, one: LiveDeployment) -> dict[str, str]:
        """A model of the hub may be one that the hub gives to some only."""
        names, owner_id = _secret_names(one), one.deployment.owner_id
        with self._database.read() as session:
            return secrets.resolve(session, self._context.secrets, (), owner_id=owner_id, optional=names)

    def _mind(self, one: LiveDeployment, token: str) -> None:
        handle = self._handle(one)
        observation = self._executor.poll(handle)
        if isinstance(observation, Exited) and observation.exit.start_errno in SHORTAGES:
            self._put_back(one, token, observation.exit.start_error or "")
        elif isinstance(observation, Exited):
            self._end(one, token, self._why(one, observation.exit), self._failure(one, observation.exit))
        elif isinstance(observation, Lost):
            sweep(self._executor, handle)
            self._end(one, token, observation.detail, "engine")
        elif one.stop_requested:
            self._executor.stop(handle, STOP_GRACE_SECONDS)
        elif isinstance(observation, Alive) and one.deployment.status is DeploymentStatus.STARTING:
            self._ask_health(one, token, handle)
        elif one.deployment.status is DeploymentStatus.RUNNING and self._probes.is_hung(one):
            self._end_hung(one, handle)
        elif one.deployment.on_demand and one.deployment.status is DeploymentStatus.RUNNING:
            self._unload_idle(one)

    def _failure(self, one: LiveDeployment, ending: Exit) -> StartFailure:
        engine = self._context.engines.get(one.deployment.engine)
        return "model" if engine is not None and ending.exit_code in engine.model_fault_codes else "engine"

    def _ask_health(self, one: LiveDeployment, token: str, handle: Handle) -> None:
        device = self._healthy_device(one)
        if device is not None:
            with self._database.write() as session:
                deployments.mark_running(session, one.deployment.id, token, device)
            self._context.live.in_use.touch(one.deployment.id)
            self._context.live.failed_starts.forget(one.details.key or "")
            self._notifier.notify()
        elif (utc_now() - one.since).total_seconds() > self._settings.engine_start_seconds:
            log.error("deployment %s did not answer in time", one.deployment.id)
            self._executor.stop(handle, STOP_GRACE_SECONDS)

    def _end_hung(self, one: LiveDeployment, handle: Handle) -> None:
        """What waits for it hears of its end at once, since its connections end with it."""
        if self._hung.get(one.deployment.id) != one.attempt:
            log.error("deployment %s %s and is ended", one.deployment.id, self._silence())
        self._hung[one.deployment.id] = one.attempt
        self._executor.stop(handle, HUNG_GRACE_SECONDS)

    def _silence(self) -> str:
        return f"did not answer for {self._settings.engine_silence_seconds:g} seconds"

    def _answers(self, one: LiveDeployment, seconds: float) -> bool:
        engine, port = self._context.engines.get(one.deployment.engine), one.deployment.port
        if engine is None or port is None:
            # It runs from an earlier start of the server, which knew its engine.
            return True
        token = deployments.engine_token(one.deployment.id, self._context)
        return engine.health(port, token, seconds) is not None

    def _healthy_device(self, one: LiveDeployment) -> str | None:
        engine = self._context.engines.get(one.deployment.engine)
        if engine is None or one.deployment.port is None:
            return None
        token = deployments.engine_token(one.deployment.id, self._context)
        device = engine.health(one.deployment.port, token, HEALTH_TIMEOUT_SECONDS)
        return device if device != "" else "cuda" if self._context.machine().gpus else "cpu"

    def _unload_idle(self, one: LiveDeployment) -> None:
        limit = self._settings.engine_idle_seconds
        if limit > 0 and self._context.live.in_use.idle_seconds(one.deployment.id) >= limit:
            self._unload(one.deployment.id, limit)

    def _unload(self, deployment_id: str, idle_seconds: float) -> None:
        try:
            with self._database.write() as session:
                unloaded = deployments.unload(session, deployment_id, idle_seconds, self._context)
        except SQLAlchemyError:
            # Nothing was written, so it is to be found and used as before.
            self._context.live.in_use.revive(deployment_id)
            raise
        if unloaded:
            log.info("deployment %s idles and is unloaded", deployment_id)

    def _make_room_for_runs(self, live: list[LiveDeployment]) -> None:
        """Queued runs go before engines that nobody asks: those end as soon as a run lacks their GPUs."""
        machine = self._context.machine()
        if not machine.gpus or not any(one.deployment.on_demand for one in live):
            return
        with self._database.read() as session:
            lacking = claims.lacking_gpus(session, machine)
            chosen = deployments.memory_leases.vacate_gpus(session, lacking, self._context) if lacking else ()
        for deployment_id in chosen:
            self._unload(deployment_id, deployments.memory_leases.IDLE_SECONDS)

    def _note_uses(self) -> None:
        if time.monotonic() - self._noted_at < USES_SECONDS:
            return
        self._noted_at = time.monotonic()
        uses = self._context.live.in_use.take_uses()
        if uses:
            with self._database.write() as session:
                deployments.note_uses(session, uses)

    def _end(self, one: LiveDeployment, token: str, error: str, failure: StartFailure) -> None:
        """`failure`: of one that never answered."""
        never_ran = one.deployment.started_at is None
        if never_ran and not one.stop_requested:
            self._note_failure(one, error, failure)
        with self._database.write() as session:
            comes_back = deployments.end(
                session, one.deployment.id, token, error, failure=failure if never_ran else None
            )
        if comes_back:
            log.warning("deployment %s crashed and will be started again: %s", one.deployment.id, error)
        else:
            self._context.live.in_use.forget(one.deployment.id)
        self._notifier.notify()

    def _note_failure(self, one: LiveDeployment, error: str, failure: StartFailure) -> None:
        """Before those who wait can see its end: they ask anew then, and hear of it."""
        if one.details.key is not None:
            self._context.live.failed_starts.note(one.details.key, error, is_lasting=failure == "model")

    def _finish(self, one: LiveDeployment, token: str | None, error: str | None) -> None:
        if error is not None:
            self._note_failure(one, error, "engine")
        with self._database.write() as session:
            deployments.finish(session, one.deployment.id, token, error, failure=None if error is None else "engine")
        self._context.live.in_use.forget(one.deployment.id)
        self._notifier.notify()

    def _why(self, one: LiveDeployment, ending: Exit) -> str:
        """The engine's own last words, which name the cause, before the bare exit code."""
        if self._hung.pop(one.deployment.id, None) == one.attempt:
            return f"the engine {self._silence()} and was ended"
        if ending.signal is not None:
            return f"the engine was ended by signal {ending.signal}"
        path = self._context.home.deployment_log(one.deployment.id)
        lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
        if not lines:
            return reason_of_exit(ending)[1] or "the engine ended"
        names, owner_id = _secret_names(one), one.deployment.owner_id
        with self._database.read() as session:
            given = secrets.readable_values(session, self._context.secrets, names, owner_id=owner_id)
        return Redactor(given)(lines[-1])[:2000]


def _name(one: LiveDeployment) -> str:
    return f"deployment {one.deployment.id}"


def _secret_names(one: LiveDeployment) -> tuple[str, ...]:
    """Those that its engine takes where they are stored."""
    is_here = loaded(one) in BUILTIN_MODELS or loaded(one).startswith("/")
    return () if is_here else OPTIONAL_SECRETS["hub"]
