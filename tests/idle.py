"""A scheduler that does nothing."""

from finery.db import Database
from finery.domain.context import DomainContext
from finery.kit.log_lines import LogReader
from finery.kit.notifier import Notifier
from finery.scheduler import SchedulerSettings


class IdleScheduler:
    warm_start = "off"

    def __init__(
        self,
        database: Database,
        context: DomainContext,
        notifier: Notifier,
        settings: SchedulerSettings,
        logs: LogReader,
    ) -> None:
        pass

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass
