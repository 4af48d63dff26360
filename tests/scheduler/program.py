"""A scheduler without HTTP that a test may kill: `python -m tests.scheduler.program HOME DATABASE_URL`."""

import logging
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

from finery.db import Database
from finery.domain.context import DomainContext
from finery.kit.destinations import Destinations
from finery.kit.notifier import Notifier
from finery.scheduler import Scheduler, SchedulerSettings
from tests import builders
from tests.receiver import LOOPBACK

SETTINGS = SchedulerSettings(poll_seconds=0.05, idle_seconds=0.1, grace_seconds=2.0, warm_start="off")


def context_of(home: Path) -> DomainContext:
    """Receivers of webhooks are on this machine."""
    return replace(builders.context(home), destinations=Destinations.parse([LOOPBACK]))


def main(home: Path, url: str) -> None:
    logging.basicConfig(level=logging.INFO)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    database, notifier = Database(url, home=home), Notifier()
    database.on_commit(notifier.notify)
    scheduler = Scheduler(database, context_of(home), notifier, SETTINGS)
    scheduler.start()
    stopping.wait()
    scheduler.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
