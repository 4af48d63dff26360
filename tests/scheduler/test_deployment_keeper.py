"""The serve loop by itself: an executor without processes, an engine that answers when the test says so."""

import errno
import json
from datetime import timedelta
from pathlib import Path

import pytest

from finery.contracts.deployment import Deployment, DeploymentStatus, NewDeployment
from finery.contracts.events import NoticeData
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.process import Handle
from finery.contracts.run import Resources
from finery.db import Database
from finery.domain import deployments, runs
from finery.domain.context import DomainContext
from finery.domain.runs import claims
from finery.engines.base import Health, StartOptions
from finery.engines.transformers.engine import ARCHITECTURE_UNSERVABLE, MODEL_UNLOADABLE, TransformersEngine
from finery.kit.clock import utc_now
from finery.kit.notifier import Notifier
from finery.scheduler.back_off import BackOff
from finery.scheduler.deployment_keeper import DeploymentKeeper
from finery.scheduler.settings import SchedulerSettings
from tests import builders
from tests.clock import Clock
from tests.domain.deployments.serving import GIB, ensure, get, live, make_context, make_model
from tests.executors.fake import FakeExecutor, Script


class ObedientEngine(TransformersEngine):
    def __init__(self) -> None:
        self.told: Health | None = Health("cpu", "plain batches")
        self.started: list[StartOptions] = []

    def command(self, options: StartOptions) -> list[str]:
        self.started.append(options)
        return ["engine", str(options.port)]

    def environment(self, token: str) -> dict[str, str]:
        return {"TOKEN": token}

    def health(self, port: int, token: str, seconds: float) -> Health | None:
        return self.told


class Bench:
    """A server loop and what it works on."""

    def __init__(self, database: Database, home: Path, *, gpus: int = 0, idle_seconds: float = 900.0) -> None:
        self.database, self.clock = database, Clock()
        self.engine = ObedientEngine()
        plain = make_context(home, gpus=gpus, clock=self.clock)
        self.context = DomainContext(**{**vars(plain), "engines": {self.engine.name: self.engine}})
        self.scripts = [Script(exit_code_on_sigterm=0)]
        self.executor = FakeExecutor(script=lambda _: self.scripts[0], clock=self.clock)
        settings = SchedulerSettings(engine_idle_seconds=idle_seconds)
        self.server = DeploymentKeeper(
            database, self.context, Notifier(), self.executor, settings, BackOff(lambda: None, self.clock)
        )

    def work(self, passes: int = 4) -> None:
        for _ in range(passes):
            self.server.work()

    def start(self, name: str, size: int) -> str:
        """A running engine on demand for a model that needs so much."""
        deployment = ensure(self.database, make_model(self.context.home.path, name, size, self.context), self.context)
        self.work()
        return deployment.id

    def status(self, deployment_id: str) -> DeploymentStatus:
        return get(self.database, deployment_id).status

    def handle(self, deployment_id: str) -> Handle:
        found = live(self.database, deployment_id).handle
        assert found is not None
        return found


class TestLaunch:
    def test_environment_follows_the_lease(self, database: Database, home: Path) -> None:
        bench = Bench(database, home, gpus=2)
        first, second = bench.start("a", 10 * GIB), bench.start("b", 10 * GIB)
        launches = {launch.directory.name: launch for launch in bench.executor.submitted}
        found = [launches[one].environment for one in (first, second)]
        assert [one["CUDA_VISIBLE_DEVICES"] for one in found] == ["0", "1"]
        assert found[0]["TOKEN"] == deployments.engine_token(first, bench.context) != found[1]["TOKEN"]
        assert bench.engine.started[0].memory_share == pytest.approx(10 / 16, abs=0.01)
        assert bench.engine.started[0].any_name

    def test_without_gpus_none_is_seen(self, database: Database, home: Path) -> None:
        bench = Bench(database, home)
        bench.start("a", GIB)
        assert bench.executor.submitted[0].environment["CUDA_VISIBLE_DEVICES"] == ""
        assert bench.engine.started[0].memory_share is None

    def test_one_that_cannot_be_submitted_has_failed(self, database: Database, home: Path) -> None:
        bench = Bench(database, home)
        bench.executor.refuse = "no process could be started"
        found = get(database, bench.start("a", GIB))
        assert (found.status, found.error) == (DeploymentStatus.FAILED, "no process could be started")

    @pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOSPC, errno.EAGAIN])
    def test_one_for_which_the_machine_lacks_something_is_started_later(
        self, database: Database, home: Path, number: int
    ) -> None:
        bench = Bench(database, home)
        bench.executor.lacks = number
        deployment_id = bench.start("a", GIB)
        found = get(database, deployment_id)
        assert found.status is DeploymentStatus.STARTING
        assert "could not be started" in (found.error or "")
        bench.executor.lacks = None
        bench.work()
        assert bench.status(deployment_id) is DeploymentStatus.STARTING, "before its time"
        bench.clock.now += 60.0
        bench.work()
        assert bench.status(deployment_id) is DeploymentStatus.RUNNING
        assert get(database, deployment_id).error is None

    def test_one_that_met_a_shortage_in_its_own_process_is_started_later(self, database: Database, home: Path) -> None:
        bench = Bench(database, home)
        lacking = Script(start_error="no room", start_errno=errno.ENOMEM)
        bench.scripts.insert(0, lacking)
        deployment_id = bench.start("a", GIB)
        assert bench.status(deployment_id) is DeploymentStatus.STARTING
        bench.scripts.remove(lacking)
        bench.clock.now += 60.0
        bench.work()
        assert bench.status(deployment_id) is DeploymentStatus.RUNNING

    def test_one_that_shall_stop_meanwhile_is_stopped(self, database: Database, home: Path) -> None:
        bench = Bench(database, home)
        bench.executor.lacks = errno.EMFILE
        deployment_id = bench.start("a", GIB)
        with database.write() as session:
            deployments.request_stop(session, deployment_id, LOCAL_ADMINISTRATOR)
        bench.work()
        assert bench.status(deployment_id) is DeploymentStatus.STOPPED

    def test_one_that_does_not_get_ready_in_time_is_stopped(
        self, database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench = Bench(database, home)
        bench.engine.told = None
        deployment_id = bench.start("a", GIB)
        assert bench.status(deployment_id) is DeploymentStatus.STARTING
        now = utc_now() + timedelta(seconds=901)
        monkeypatch.setattr("finery.scheduler.deployment_keeper.utc_now", lambda: now)
        bench.work()
        assert bench.status(deployment_id) is DeploymentStatus.FAILED


class TestServability:
    """What a deployment shows of its model's architecture, and what runs on such a model are told."""

    REASON = "finery transformers engine: m: the transformers engine cannot serve LeakyForCausalLM rightly: it leaks"

    def deploy(self, bench: Bench, name: str, architecture: str = "leaky") -> Deployment:
        folder = Path(make_model(bench.context.home.path, name))
        config = json.loads((folder / "config.json").read_bytes())
        (folder / "config.json").write_text(json.dumps({**config, "model_type": architecture}))
        with bench.database.write() as session:
            new = NewDeployment(model_name=str(folder))
            deployment = deployments.create(session, new, bench.context, LOCAL_ADMINISTRATOR)
        log = bench.context.home.deployment_log(deployment.id)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"{self.REASON}\n")
        bench.work()
        return get(bench.database, deployment.id)

    def told(self, bench: Bench, name: str) -> list[str]:
        """The warnings of a run on the model at its submission."""
        new = builders.sft(bench.context.home.path, config={"model_name": f"./{name}", "use_lora": True})
        with bench.database.write() as session:
            run = runs.create(session, new, bench.context, LOCAL_ADMINISTRATOR)
            events = runs.list_events(session, run.id, LOCAL_ADMINISTRATOR)
        notices = [event.data for event in events if isinstance(event.data, NoticeData)]
        return [notice.message for notice in notices if notice.code == "not_servable"]

    def fail(self, bench: Bench, code: int) -> None:
        bench.scripts.insert(0, Script(exit_code=code))

    def test_a_deployment_says_how_it_generates(self, database: Database, home: Path) -> None:
        assert self.deploy(Bench(database, home), "a").generation == "plain batches"

    def test_a_run_is_told_also_after_a_restart_until_another_is_served(self, database: Database, home: Path) -> None:
        bench = Bench(database, home)
        self.fail(bench, ARCHITECTURE_UNSERVABLE)
        found = self.deploy(bench, "a")
        assert (found.status, found.failure, found.error) == (DeploymentStatus.FAILED, "model", self.REASON)
        (message,) = self.told(bench, "a")
        assert message.endswith(self.REASON)

        restarted = Bench(database, home)
        restarted.work()
        assert self.told(restarted, "a") == [message]
        assert self.deploy(restarted, "b", "another").status is DeploymentStatus.RUNNING
        assert self.told(restarted, "b") == []
        assert self.deploy(restarted, "c").status is DeploymentStatus.RUNNING
        assert self.told(restarted, "c") == []

        again = Bench(database, home)
        again.work()
        assert self.told(again, "a") == []

    def test_a_model_that_is_broken_itself_says_nothing_of_others(self, database: Database, home: Path) -> None:
        bench = Bench(database, home)
        self.fail(bench, MODEL_UNLOADABLE)
        assert self.deploy(bench, "a").failure == "model"
        assert self.told(bench, "a") == []


class TestIdling:
    def test_unloads_after_its_time(self, database: Database, home: Path) -> None:
        bench = Bench(database, home, idle_seconds=900.0)
        deployment_id = bench.start("a", GIB)
        bench.clock.now += 899
        bench.work()
        assert bench.status(deployment_id) is DeploymentStatus.RUNNING
        bench.clock.now += 1
        bench.work()
        assert bench.status(deployment_id) is DeploymentStatus.STOPPED

    def test_never_with_zero(self, database: Database, home: Path) -> None:
        bench = Bench(database, home, idle_seconds=0.0)
        deployment_id = bench.start("a", GIB)
        bench.clock.now += 10**6
        bench.work()
        assert bench.status(deployment_id) is DeploymentStatus.RUNNING


class TestRoom:
    def test_an_idle_engine_ends_for_a_queued_run(self, database: Database, home: Path) -> None:
        bench = Bench(database, home, gpus=1)
        deployment_id = bench.start("a", GIB)
        with database.write() as session:
            new = builders.command(resources=Resources(gpus=1))
            runs.create(session, new, builders.context(home, gpus=1), LOCAL_ADMINISTRATOR)
        bench.context.live.in_use.begin(deployment_id)
        bench.clock.now += 60
        bench.work()
        assert bench.status(deployment_id) is DeploymentStatus.RUNNING
        bench.context.live.in_use.end(deployment_id)
        bench.clock.now += 29
        bench.work()
        assert bench.status(deployment_id) is DeploymentStatus.RUNNING
        bench.clock.now += 1
        bench.work()
        assert bench.status(deployment_id) is DeploymentStatus.STOPPED
        with database.write() as session:
            claim = claims.claim_next(session, bench.context.machine(), executor="local", max_passed=20)
        assert claim is not None
        assert claim.gpus == [0]

    def test_an_idle_engine_ends_for_another(self, database: Database, home: Path) -> None:
        bench = Bench(database, home, gpus=1)
        first = bench.start("a", 8 * GIB)
        bench.clock.now += 40
        second = bench.start("b", 8 * GIB)
        bench.work()
        assert bench.status(first) is DeploymentStatus.STOPPED
        assert bench.status(second) is DeploymentStatus.RUNNING


class TestCrash:
    def test_waits_before_it_starts_again(
        self, database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench = Bench(database, home)
        with database.write() as session:
            new = NewDeployment(model_name=make_model(home, "a"))
            deployment_id = deployments.create(session, new, bench.context, LOCAL_ADMINISTRATOR).id
        bench.work()
        bench.executor.lose(bench.handle(deployment_id))
        bench.work()
        assert len(bench.executor.swept) == 1
        found = live(database, deployment_id)
        assert (found.attempt, found.token) == (2, None)
        assert found.restart_at is not None
        monkeypatch.setattr("finery.scheduler.deployment_keeper.utc_now", lambda: found.restart_at)
        bench.work()
        assert bench.status(deployment_id) is DeploymentStatus.RUNNING
        started = [(launch.directory.name, launch.attempt) for launch in bench.executor.submitted]
        assert started == [(deployment_id, 1), (deployment_id, 2)]
