"""What the rules look at: a bounded picture of live runs, of the queue and of the machine at one moment."""

from dataclasses import dataclass, field

from finery.contracts.machine import Machine
from finery.domain.attention.learning_window import LearningWindow


@dataclass(frozen=True)
class LiveRun:
    """A run that is starting or running."""

    number: int
    attempt: int
    recipe: str
    stage: str | None
    """What it told last; until its attempt tells one, that of the attempt before."""
    lost_count: int
    """How often its process was lost since its last checkpoint."""
    window: LearningWindow
    idle_seconds: float = 0.0
    """For how long none of its GPUs has computed anything, since the first step of its attempt was seen."""


@dataclass(frozen=True)
class WaitingRun:
    """A queued run that needs more devices than the machine has."""

    number: int
    wanted: int
    is_gpu: bool


@dataclass(frozen=True)
class Snapshot:
    at: float
    """Seconds since 1970."""
    machine: Machine
    free_disk_bytes: int
    live: tuple[LiveRun, ...] = ()
    too_large: tuple[WaitingRun, ...] = ()
    run_numbers: frozenset[int] = field(init=False)
    """The runs that were looked at: what holds of another has ended."""

    def __post_init__(self) -> None:
        numbers = frozenset({*(run.number for run in self.live), *(run.number for run in self.too_large)})
        object.__setattr__(self, "run_numbers", numbers)
