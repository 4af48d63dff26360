"""Settings of the scheduler: intervals, limits and the warm start."""

from dataclasses import dataclass

from finery.scheduler.registry import LOCAL


@dataclass(frozen=True)
class SchedulerSettings:
    executor: str = LOCAL
    """Where runs are started from now on. A live run stays with the executor that started it."""
    poll_seconds: float = 0.2
    """Between two looks at live runs."""
    idle_seconds: float = 2.0
    """Between two looks at an empty queue, when nothing wakes the loop earlier."""
    grace_seconds: float = 30.0
    """Between SIGTERM and SIGKILL."""
    max_passed: int = 20
    """How many later runs may start before one that does not fit yet."""
    max_lost: int = 5
    """How often in a row a run may be lost, without a checkpoint in between, and still be queued again."""
    warm_start: str = "auto"
    """`auto` (where memory allows), `on`, `off`."""
    sweep_strays: bool = False
    """True when another home had the database meanwhile: processes here whose runs are not live any more are ended."""
    engine_start_seconds: float = 900.0
    """How long an engine may take to answer for the first time."""
    engine_idle_seconds: float = 900.0
    """After which an engine on demand is unloaded; 0: never."""
    engine_probe_seconds: float = 5.0
    """Between two probes of a running engine."""
    engine_silence_seconds: float = 60.0
    """After so long without an answer a running engine is ended, and started again where it is still wanted."""
