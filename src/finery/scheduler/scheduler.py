"""Makes the loops, starts and stops them, and the executors and the warm parent with them."""

import logging
from collections.abc import Callable

from finery.contracts.layout import mark_of
from finery.db import Database
from finery.db.topics import Topic
from finery.domain.context import DomainContext
from finery.domain.deployments import list_live
from finery.domain.runs import attempts
from finery.executors.local.warm_parent import WarmParent
from finery.kit.failpoints import failpoint
from finery.kit.log_lines import LogReader
from finery.kit.notifier import Notifier
from finery.scheduler.attention_keeper import AttentionKeeper
from finery.scheduler.back_off import BackOff, probe
from finery.scheduler.cleaner import Cleaner
from finery.scheduler.deployment_keeper import DeploymentKeeper
from finery.scheduler.late_measurer import LateMeasurer
from finery.scheduler.loop import Loop
from finery.scheduler.redactors import Redactors
from finery.scheduler.registry import LOCAL, ExecutorContext, ExecutorNotMade, make_executors
from finery.scheduler.run_launch import PROCESS_ENVIRONMENT
from finery.scheduler.settings import SchedulerSettings
from finery.scheduler.stopper import Stopper
from finery.scheduler.submitter import Submitter
from finery.scheduler.watcher import Watcher
from finery.scheduler.webhook_dispatcher import WebhookDispatcher

log = logging.getLogger(__name__)

JOIN_SECONDS = 10.0

# The topics that wake each loop: tables that are written to, and what the domain announces (see db/topics.py).
SUBMIT = frozenset({Topic.QUEUE, "leases", "engine_leases"})
WATCH = frozenset({"attempts"})
SERVE = frozenset({Topic.QUEUE, "deployments", "engine_leases"})
WEBHOOKS = frozenset({"outbox", "webhooks", "webhook_messages"})
CLEAN = frozenset({"artifacts", "blobs", "datasets", "dataset_versions", "dataset_pins", "files", "uploads"})


class Scheduler:
    """Carries out what the database says: starts queued runs, watches live ones, delivers intents, serves models.

    It may end at any moment, by `stop` or by a kill: runs go on without it, and the next `start` finds them.
    """

    def __init__(
        self,
        database: Database,
        context: DomainContext,
        notifier: Notifier,
        settings: SchedulerSettings,
        logs: LogReader | None = None,
    ) -> None:
        self._database = database
        self._context = context
        self._settings = settings
        self._notifier = notifier
        self._warm = _make_warm_parent(context, settings)
        executors = make_executors(ExecutorContext(context.home, context.home_id, self._warm))
        if settings.executor not in executors:
            raise ExecutorNotMade(f"there is no executor {settings.executor!r}; known: {', '.join(executors)}")
        redactors = Redactors(database, context)
        back_off = BackOff(lambda: probe(context.home.state))
        submitter = Submitter(database, context, executors, settings, redactors, back_off)
        self._watcher = Watcher(
            database, context, executors, settings, redactors, lambda: submitter.is_busy, back_off, logs
        )
        self._dispatcher = WebhookDispatcher(database, context, notifier, settings)
        # An engine answers on a port of this machine, and leases its memory.
        keeper = DeploymentKeeper(database, context, notifier, executors[LOCAL], settings, back_off)
        self._executors = executors
        works: list[tuple[str, Callable[[], float], float, frozenset[str]]] = [
            ("submit", submitter.work, 0.01, SUBMIT),
            ("watch", self._watcher.work, 0.05, WATCH),
            ("stop", Stopper(database, context, executors, settings).work, 0.05, frozenset({Topic.INTENTS})),
            ("serve", keeper.work, 0.1, SERVE),
            ("measure", LateMeasurer(database, context).work, 0.05, frozenset({Topic.QUEUE})),
            ("webhooks", self._dispatcher.work, 0.1, WEBHOOKS),
            ("attention", AttentionKeeper(database, context).work, 1.0, frozenset()),
            ("clean", Cleaner(database, context).work, 1.0, CLEAN),
        ]
        self._loops = [
            Loop(name, self._while_ours(work), notifier, rest=rest, topics=topics) for name, work, rest, topics in works
        ]

    @property
    def warm_start(self) -> str:
        """Returns `ready`, `starting`, `off`, or why there will be no warm start."""
        if self._warm is None:
            return "off"
        return "ready" if self._warm.ready else self._warm.reason or "starting"

    def start(self) -> None:
        """Settle what an earlier server left, then start the loops."""
        self._watcher.work()
        if self._settings.sweep_strays:
            self._sweep_strays()
        failpoint("boot.reconciled")
        if self._warm is not None:
            self._warm.start()
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """End the loops; runs and engines go on."""
        for loop in self._loops:
            loop.stop()
        self._notifier.notify()
        for loop in self._loops:
            loop.join(JOIN_SECONDS)
        self._dispatcher.stop()
        if self._warm is not None:
            self._warm.close()

    def _while_ours(self, work: Callable[[], float]) -> Callable[[], float]:
        """Returns `work`, but raising LeaseLost once another server has replaced this one, which may have slept."""

        def pass_while_ours() -> float:
            self._context.live.lease.confirm(self._database)
            return work()

        return pass_while_ours

    def _sweep_strays(self) -> None:
        """End processes that this home started and that are not live any more: another home had the database."""
        home, home_id = self._context.home, self._context.home_id
        with self._database.read() as session:
            runs = [(home.run(run.run_id).path, run.ref.attempt) for run in attempts.list_live(session)]
            engines = [(home.deployment(live.deployment.id).path, live.attempt) for live in list_live(session)]
        marks = {mark_of(home_id, directory, attempt) for directory, attempt in (*runs, *engines)}
        for executor in self._executors.values():
            if count := executor.sweep_strays(marks):
                log.warning("%d processes of runs and engines that are not live here any more were ended", count)


def _make_warm_parent(context: DomainContext, settings: SchedulerSettings) -> WarmParent | None:
    if settings.warm_start == "off":
        return None
    affordable = WarmParent.affordable(context.machine().memory_available_bytes)
    if settings.warm_start == "auto" and not affordable:
        log.info("warm start is off: too little memory is free")
        return None
    return WarmParent("finery.trainers.preload", environment=PROCESS_ENVIRONMENT)
