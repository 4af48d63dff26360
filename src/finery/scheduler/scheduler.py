"""The loops, put together."""

import logging

from finery.db import Database
from finery.db.topics import Topic
from finery.domain.ground import Ground
from finery.executors.local.warm_parent import WarmParent
from finery.kit.failpoints import failpoint
from finery.kit.lines import LogReader
from finery.kit.pulse import Pulse
from finery.scheduler.back_off import BackOff, probe
from finery.scheduler.cleaning import Cleaner
from finery.scheduler.launching import QUIET
from finery.scheduler.loop import Loop
from finery.scheduler.measuring import LateMeasurer
from finery.scheduler.redacting import Redactors
from finery.scheduler.registry import make_executors
from finery.scheduler.serving import Server
from finery.scheduler.settings import SchedulerSettings
from finery.scheduler.stopping import Stopper
from finery.scheduler.submitting import Submitter
from finery.scheduler.watching import Watcher
from finery.scheduler.webhooks import Teller

log = logging.getLogger(__name__)

JOIN_SECONDS = 10.0

# What wakes each loop: tables that are written to, and what the domain announces (see db/topics.py).
SUBMIT = frozenset({Topic.QUEUE, "leases", "engine_leases"})
WATCH = frozenset({"attempts"})
SERVE = frozenset({Topic.QUEUE, "deployments", "engine_leases"})
WEBHOOKS = frozenset({"outbox", "webhooks", "webhook_messages"})
CLEAN = frozenset({"artifacts", "blobs", "datasets", "dataset_versions", "dataset_pins", "files", "uploads"})


class Scheduler:
    """Carries out what the database says: starts queued runs, minds live ones, delivers intents, serves models.

    It may end at any moment, by `stop` or by a kill: runs go on without it, and the next `start` finds them.
    """

    def __init__(
        self,
        database: Database,
        ground: Ground,
        pulse: Pulse,
        settings: SchedulerSettings,
        logs: LogReader | None = None,
    ) -> None:
        self._pulse = pulse
        self._warm = _make_warm_parent(ground, settings)
        executors = make_executors(self._warm, ground.home_id)
        redactors = Redactors(database, ground)
        back_off = BackOff(lambda: probe(ground.home.state))
        submitter = Submitter(database, ground, pulse, executors, settings, redactors, back_off)
        self._watcher = Watcher(
            database, ground, pulse, executors, settings, redactors, lambda: submitter.is_busy, back_off, logs
        )
        self._teller = Teller(database, ground, pulse, settings)
        stopper = Stopper(database, ground, executors, settings)
        server = Server(database, ground, pulse, executors, settings)
        measurer = LateMeasurer(database, ground, pulse)
        self._loops = [
            Loop("submit", submitter.work, pulse, rest=0.01, topics=SUBMIT),
            Loop("watch", self._watcher.work, pulse, rest=0.05, topics=WATCH),
            Loop("stop", stopper.work, pulse, rest=0.05, topics=frozenset({Topic.INTENTS})),
            Loop("serve", server.work, pulse, rest=0.1, topics=SERVE),
            Loop("measure", measurer.work, pulse, rest=0.05, topics=frozenset({Topic.QUEUE})),
            Loop("webhooks", self._teller.work, pulse, rest=0.1, topics=WEBHOOKS),
            Loop("clean", Cleaner(database, ground).work, pulse, rest=1.0, topics=CLEAN),
        ]

    @property
    def warm_start(self) -> str:
        """`ready`, `starting`, `off`, or why there will be none."""
        if self._warm is None:
            return "off"
        return "ready" if self._warm.ready else self._warm.reason or "starting"

    def start(self) -> None:
        """Settle what an earlier server left, then start the loops."""
        self._watcher.work()
        failpoint("boot.reconciled")
        if self._warm is not None:
            self._warm.start()
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """End the loops; runs and engines go on."""
        for loop in self._loops:
            loop.stop()
        self._pulse.notify()
        for loop in self._loops:
            loop.join(JOIN_SECONDS)
        self._teller.stop()
        if self._warm is not None:
            self._warm.close()


def _make_warm_parent(ground: Ground, settings: SchedulerSettings) -> WarmParent | None:
    if settings.warm_start == "off":
        return None
    affordable = WarmParent.affordable(ground.machine().memory_available_bytes)
    if settings.warm_start == "auto" and not affordable:
        log.info("warm start is off: too little memory is free")
        return None
    return WarmParent("finery.trainers.preload", environment=QUIET)
