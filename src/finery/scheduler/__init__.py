"""The server's background loops: they start queued runs, watch live ones, serve models, and send webhooks."""

from finery.scheduler.registry import ExecutorNotMade
from finery.scheduler.scheduler import Scheduler
from finery.scheduler.settings import SchedulerSettings

__all__ = ["ExecutorNotMade", "Scheduler", "SchedulerSettings"]
