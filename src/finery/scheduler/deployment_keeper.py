"""The serve loop: starts and watches deployments, restarts those that crash, and unloads those that idle."""

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
from finery.engines.base import Health
from finery.executors.base import Executor, SubmitFailed
from finery.kit.clock import utc_now
from finery.kit.notifier import Notifier
from finery.kit.redaction import Redactor
from finery.kit.shortages import SHORTAGES, is_shortage
from finery.scheduler.back_off import BackOff, PutBacks
from finery.scheduler.engine_launch import STOP_GRACE_SECONDS, model_of, render_engine_launch
from finery.scheduler.failure_log import FailureLog
from finery.scheduler.loop import isolated
from finery.scheduler.probes import FEWEST_FAILURES, Probes
from finery.scheduler.settings import SchedulerSettings

log = logging.getLogger(__name__)

HEALTH_TIMEOUT_SECONDS = 2.0
HUNG_GRACE_SECONDS = 1.0
"""For an engine that does not answer; a stopped process cannot act on SIGTERM anyway."""
USES_SECONDS = 10.0
"""Between two records of when engines were used."""


class DeploymentKeeper:
    """Brings each deployment's process to the state that its row asks for."""

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
        self._has_settled = False
        self._uses_at = time.monotonic()
        self._probes = Probes(
            self._answers,
            every_seconds=min(settings.engine_probe_seconds, settings.engine_silence_seconds / FEWEST_FAILURES),
            silence_seconds=settings.engine_silence_seconds,
        )
        self._put_backs = PutBacks(back_off)
        self._hung: dict[str, int] = {}
        """The attempts, by deployment, that are being ended since they do not answer."""

    def work(self) -> float:
        if not self._has_settled:
            with self._database.write() as session:
                deployments.memory_leases.settle_leases(session, self._context)
                deployments.servability.load_verdicts(session, self._context)
            self._has_settled = True
        with self._database.read() as session:
            live_deployments = deployments.list_live(session)
        for live in live_deployments:
            with isolated(_name(live), self._failure_log):
                self._look(live)
        self._probes.keep_only([live.deployment.id for live in live_deployments])
        self._make_room_for_runs(live_deployments)
        self._record_uses()
        return self._settings.poll_seconds if live_deployments else self._settings.idle_seconds

    def _look(self, live: LiveDeployment) -> None:
        if self._put_backs.settle(_name(live)):
            return
        if live.token is None:
            self._begin(live)
        else:
            self._watch(live, live.token)

    def _begin(self, live: LiveDeployment) -> None:
        if live.stop_requested:
            self._finish(live, None, None)
            return
        # A time further ahead than any back-off was stored by a clock that was wrong.
        if (
            live.restart_at is not None
            and timedelta() < live.restart_at - utc_now() <= deployments.lifecycle.LONGEST_BACKOFF
        ):
            return
        if self._back_off.seconds():
            return
        with self._database.write() as session:
            claim = deployments.claim(session, live.deployment.id, self._context)
        if claim is None:
            self._make_room_for(live)
            return
        try:
            handle = self._executor.submit(self._launch(live, claim))
        except (SubmitFailed, DomainError, OSError) as error:
            if is_shortage(error):
                self._put_back(live, claim.token, str(error))
            else:
                self._finish(live, claim.token, str(error))
            return
        self._back_off.end()
        with self._database.write() as session:
            deployments.record_handle(session, live.deployment.id, claim.token, handle)

    def _put_back(self, live: LiveDeployment, token: str, why: str) -> None:
        def undo(message: str | None) -> None:
            self._executor.sweep(self._handle(live))
            with self._database.write() as session:
                deployments.put_back(session, live.deployment.id, token, message)

        self._put_backs.put_back(_name(live), why, undo)

    def _handle(self, live: LiveDeployment) -> Handle:
        directory = self._context.home.deployment(live.deployment.id).path
        return live.handle or Handle(directory=directory, attempt=live.attempt)

    def _make_room_for(self, live: LiveDeployment) -> None:
        with self._database.read() as session:
            placement = deployments.memory_leases.find_placement(session, live.details.need, self._context)
        for deployment_id in placement.evicted if placement is not None else ():
            self._unload(deployment_id, deployments.memory_leases.IDLE_SECONDS)

    def _launch(self, live: LiveDeployment, claim: Claim) -> Launch:
        engine = self._context.engines.get(live.deployment.engine)
        if engine is None or engine.missing_reason is not None:
            raise EngineUnavailable(live.deployment.engine, "is not installed here any more")
        names, owner_id = _secret_names(live), live.deployment.owner_id
        with self._database.read() as session:
            values = secrets.resolve(session, self._context.secrets, (), owner_id=owner_id, optional=names)
        return render_engine_launch(live, claim.device, engine, self._context, values)

    def _watch(self, live: LiveDeployment, token: str) -> None:
        handle = self._handle(live)
        observation = self._executor.poll(handle)
        if isinstance(observation, Exited) and observation.exit.start_errno in SHORTAGES:
            self._put_back(live, token, observation.exit.start_error or "")
        elif isinstance(observation, Exited):
            engine, code = self._context.engines.get(live.deployment.engine), observation.exit.exit_code
            is_models = engine is not None and code in engine.model_fault_codes
            is_unservable = engine is not None and code in engine.unservable_codes
            why = self._why(live, observation.exit)
            self._end(live, token, why, "model" if is_models else "engine", is_unservable=is_unservable)
        elif isinstance(observation, Lost):
            self._executor.sweep(handle)
            self._end(live, token, observation.detail, "engine")
        elif live.stop_requested:
            self._executor.stop(handle, STOP_GRACE_SECONDS)
        elif isinstance(observation, Alive) and live.deployment.status is DeploymentStatus.STARTING:
            self._check_health(live, token, handle)
        elif live.deployment.status is DeploymentStatus.RUNNING and self._probes.is_hung(live):
            self._end_hung(live, handle)
        elif live.deployment.on_demand and live.deployment.status is DeploymentStatus.RUNNING:
            limit = self._settings.engine_idle_seconds
            if limit > 0 and self._context.live.in_use.idle_seconds(live.deployment.id) >= limit:
                self._unload(live.deployment.id, limit)

    def _check_health(self, live: LiveDeployment, token: str, handle: Handle) -> None:
        health = self._health(live)
        if health is not None:
            device = health.device or ("cuda" if self._context.machine().gpus else "cpu")
            with self._database.write() as session:
                deployments.mark_running(session, live.deployment.id, token, device, generation=health.generation)
            deployments.servability.note_verdict(live.details.architecture, None, self._context)
            self._context.live.in_use.touch(live.deployment.id)
            self._context.live.failed_starts.forget(live.details.key or "")
            self._notifier.notify()
        elif (utc_now() - live.since).total_seconds() > self._settings.engine_start_seconds:
            log.error("deployment %s did not answer in time", live.deployment.id)
            self._executor.stop(handle, STOP_GRACE_SECONDS)

    def _end_hung(self, live: LiveDeployment, handle: Handle) -> None:
        """End an engine that does not answer. Its connections end with it, so that waiting requests fail at once."""
        if self._hung.get(live.deployment.id) != live.attempt:
            log.error("deployment %s %s and is ended", live.deployment.id, self._silence())
        self._hung[live.deployment.id] = live.attempt
        self._executor.stop(handle, HUNG_GRACE_SECONDS)

    def _silence(self) -> str:
        return f"did not answer for {self._settings.engine_silence_seconds:g} seconds"

    def _answers(self, live: LiveDeployment, seconds: float) -> bool:
        engine, port = self._context.engines.get(live.deployment.engine), live.deployment.port
        if engine is None or port is None:
            # An earlier start of the server, which knew its engine, started it. Nothing can be said of it now.
            return True
        token = deployments.engine_token(live.deployment.id, self._context)
        return engine.health(port, token, seconds) is not None

    def _health(self, live: LiveDeployment) -> Health | None:
        engine = self._context.engines.get(live.deployment.engine)
        if engine is None or live.deployment.port is None:
            return None
        token = deployments.engine_token(live.deployment.id, self._context)
        return engine.health(live.deployment.port, token, HEALTH_TIMEOUT_SECONDS)

    def _unload(self, deployment_id: str, idle_seconds: float) -> None:
        try:
            with self._database.write() as session:
                unloaded = deployments.unload(session, deployment_id, idle_seconds, self._context)
        except SQLAlchemyError:
            # Nothing was written, so requests must find and use it as before.
            self._context.live.in_use.revive(deployment_id)
            raise
        if unloaded:
            log.info("deployment %s idles and is unloaded", deployment_id)

    def _make_room_for_runs(self, live_deployments: list[LiveDeployment]) -> None:
        """Unload idle engines on demand as soon as a queued run lacks their GPUs."""
        machine = self._context.machine()
        if not machine.gpus or not any(live.deployment.on_demand for live in live_deployments):
            return
        with self._database.read() as session:
            lacking = claims.lacking_gpus(session, machine)
            chosen = deployments.memory_leases.vacate_gpus(session, lacking, self._context) if lacking else ()
        for deployment_id in chosen:
            self._unload(deployment_id, deployments.memory_leases.IDLE_SECONDS)

    def _record_uses(self) -> None:
        if time.monotonic() - self._uses_at < USES_SECONDS:
            return
        self._uses_at = time.monotonic()
        uses = self._context.live.in_use.take_uses()
        if uses:
            with self._database.write() as session:
                deployments.note_uses(session, uses)

    def _end(
        self, live: LiveDeployment, token: str, error: str, failure: StartFailure, *, is_unservable: bool = False
    ) -> None:
        """Record that the engine's process ended. `failure` is stored where it never answered."""
        never_ran = live.deployment.started_at is None
        if never_ran and not live.stop_requested:
            self._remember_failure(live, error, failure)
            if is_unservable:
                deployments.servability.note_verdict(live.details.architecture, error, self._context)
        with self._database.write() as session:
            comes_back = deployments.end(
                session,
                live.deployment.id,
                token,
                error,
                failure=failure if never_ran else None,
                is_unservable=is_unservable,
            )
        if comes_back:
            log.warning("deployment %s crashed and will be started again: %s", live.deployment.id, error)
        else:
            self._context.live.in_use.forget(live.deployment.id)
        self._notifier.notify()

    def _remember_failure(self, live: LiveDeployment, error: str, failure: StartFailure) -> None:
        """Remember why a start failed. Call it before the end is recorded: requests that wait ask anew once they see
        the end, and get the reason then."""
        if live.details.key is not None:
            self._context.live.failed_starts.note(live.details.key, error, is_lasting=failure == "model")

    def _finish(self, live: LiveDeployment, token: str | None, error: str | None) -> None:
        if error is not None:
            self._remember_failure(live, error, "engine")
        with self._database.write() as session:
            deployments.finish(session, live.deployment.id, token, error, failure=None if error is None else "engine")
        self._context.live.in_use.forget(live.deployment.id)
        self._notifier.notify()

    def _why(self, live: LiveDeployment, ending: Exit) -> str:
        """Returns the last line of the engine's log, which names the cause, rather than the bare exit code."""
        if self._hung.pop(live.deployment.id, None) == live.attempt:
            return f"the engine {self._silence()} and was ended"
        if ending.signal is not None:
            return f"the engine was ended by signal {ending.signal}"
        path = self._context.home.deployment_log(live.deployment.id)
        lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
        if not lines:
            return reason_of_exit(ending)[1] or "the engine ended"
        names, owner_id = _secret_names(live), live.deployment.owner_id
        with self._database.read() as session:
            values = secrets.readable_values(session, self._context.secrets, names, owner_id=owner_id)
        return Redactor(values)(lines[-1])[:2000]


def _name(live: LiveDeployment) -> str:
    return f"deployment {live.deployment.id}"


def _secret_names(live: LiveDeployment) -> tuple[str, ...]:
    """Returns the secrets that its engine gets where they are stored: the hub gives some models to some users only."""
    model = model_of(live)
    return () if model in BUILTIN_MODELS or model.startswith("/") else OPTIONAL_SECRETS["hub"]
