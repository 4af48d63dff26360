"""Deployments are started, minded and stopped."""

import logging
import sys
import urllib.error
import urllib.request

import msgspec

from finery.contracts.deployment import DeploymentStatus
from finery.contracts.process import Alive, Exited, Handle, Launch, Lost, judge
from finery.db import Database
from finery.domain import deployments
from finery.domain.deployments import LiveDeployment
from finery.domain.ground import Ground
from finery.engines.commands import Quantization, engine_command
from finery.executors.base import Executor, Sweepable
from finery.kit.clock import utc_now
from finery.kit.pulse import Pulse
from finery.scheduler.launching import QUIET
from finery.scheduler.loop import each_alone
from finery.scheduler.registry import LOCAL
from finery.scheduler.settings import SchedulerSettings

log = logging.getLogger(__name__)

HEALTH_TIMEOUT_SECONDS = 2.0
STOP_GRACE_SECONDS = 5.0


class Server:
    """Keeps each deployment's process what its record says that it should be."""

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
        self._executor = executors[LOCAL]
        self._settings = settings

    def work(self) -> float:
        with self._database.read() as session:
            live = deployments.list_live(session)
        for one in live:
            with each_alone(f"deployment {one.deployment.id}"):
                self._look(one)
        return self._settings.poll_seconds if live else self._settings.idle_seconds

    def _look(self, one: LiveDeployment) -> None:
        if one.token is None:
            self._begin(one)
        else:
            self._mind(one, one.token)

    def _begin(self, one: LiveDeployment) -> None:
        if one.stop_requested:
            self._finish(one, None, None)
            return
        with self._database.write() as session:
            token = deployments.claim(session, one.deployment.id)
        if token is None:
            return
        handle = self._executor.submit(self._launch(one))
        with self._database.write() as session:
            deployments.record_handle(session, one.deployment.id, token, handle)

    def _mind(self, one: LiveDeployment, token: str) -> None:
        handle = one.handle or Handle(directory=self._ground.home.deployment(one.deployment.id).path, attempt=1)
        observation = self._executor.poll(handle)
        if isinstance(observation, Exited):
            self._finish(one, token, self._why(one, judge(observation.exit)[1]))
        elif isinstance(observation, Lost):
            if isinstance(self._executor, Sweepable):
                self._executor.sweep(handle)
            self._finish(one, token, observation.detail)
        elif one.stop_requested:
            self._executor.stop(handle, STOP_GRACE_SECONDS)
        elif isinstance(observation, Alive) and one.deployment.status is DeploymentStatus.STARTING:
            self._ask_health(one, token, handle)

    def _ask_health(self, one: LiveDeployment, token: str, handle: Handle) -> None:
        device = _healthy_device(one.deployment.port)
        if device is not None:
            with self._database.write() as session:
                deployments.mark_running(session, one.deployment.id, token, device)
            self._pulse.notify()
        elif (utc_now() - one.deployment.created_at).total_seconds() > self._settings.engine_start_seconds:
            log.error("deployment %s did not answer in time", one.deployment.id)
            self._executor.stop(handle, STOP_GRACE_SECONDS)

    def _finish(self, one: LiveDeployment, token: str | None, error: str | None) -> None:
        with self._database.write() as session:
            deployments.finish(session, one.deployment.id, token, error)
        self._pulse.notify()

    def _why(self, one: LiveDeployment, message: str | None) -> str:
        """The engine's own last words, which name the cause, before the bare exit code."""
        path = self._ground.home.deployment_log(one.deployment.id)
        lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
        return lines[-1][:2000] if lines else (message or "the engine ended")

    def _launch(self, one: LiveDeployment) -> Launch:
        deployment, home = one.deployment, self._ground.home
        directory, log_file = home.deployment(deployment.id), home.deployment_log(deployment.id)
        directory.attempt(1).path.mkdir(parents=True, exist_ok=True)
        log_file.parent.mkdir(parents=True, exist_ok=True)
        return Launch(
            mark=f"{deployment.id}/1",
            directory=directory.path,
            attempt=1,
            argv=self._argv(one),
            working_directory=home.path,
            log_file=log_file,
            environment={**QUIET, "OMP_NUM_THREADS": str(self._ground.machine().cpu_count)},
            grace_seconds=STOP_GRACE_SECONDS,
        )

    def _argv(self, one: LiveDeployment) -> list[str]:
        deployment, options = one.deployment, one.deployment.options
        quantization: Quantization | None = "4bit" if options.load_in_4bit else "8bit" if options.load_in_8bit else None
        model, prepare = self._model(deployment.model)
        command = engine_command(
            deployment.engine,
            model=model,
            port=deployment.port or 0,
            name=deployment.model_name,
            quantization=quantization,
            max_context=options.max_context,
        )
        return [*prepare, *command]

    def _model(self, model: str) -> tuple[str, list[str]]:
        """The engine's model, and what must run before it: a built-in model is made on first use."""
        if not model.startswith("finery/"):
            return model, []
        cache = self._ground.home.models
        prepare = [sys.executable, "-m", "finery.trainers.builtin", model, str(cache), "--then"]
        return str(cache / model), prepare


def _healthy_device(port: int | None) -> str | None:
    """The device that the engine says it computes on; None while it does not answer, or still loads."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=HEALTH_TIMEOUT_SECONDS) as answer:
            return str(msgspec.json.decode(answer.read())["device"])
    except (OSError, urllib.error.URLError, msgspec.DecodeError, KeyError):
        return None
