"""The loops that carry runs and deployments out."""

from finery.scheduler.scheduler import Scheduler
from finery.scheduler.settings import SchedulerSettings

__all__ = ["Scheduler", "SchedulerSettings"]
