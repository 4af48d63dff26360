"""Types that the server and an executor exchange about a supervised process, and what its exit means for the run."""

import signal
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from finery.contracts.base_models import StrictModel
from finery.contracts.chat_prompts import ENDLESS_TEMPLATE
from finery.contracts.status import Reason
from finery.kit.limits import HANG_SIGNAL


class Launch(StrictModel):
    """One attempt of a run, with all that an executor needs to start its process."""

    mark: str
    """The value of MARK_VARIABLE in every process of the attempt; see `layout.mark_of`."""
    directory: Path
    """The run directory (absolute)."""
    attempt: int
    argv: list[str]
    working_directory: Path
    log_file: Path
    environment: dict[str, str] = {}
    """Added to the executor's clean environment. Secrets are passed here and nowhere else."""
    grace_seconds: float = 30.0
    """Seconds between SIGTERM and SIGKILL when the time limit is reached."""
    time_limit_seconds: float | None = None
    warm_entry: str | None = None
    """A module that a warm parent may run in place of `argv` (`finery.trainers`), with the arguments `argv[-1:]`."""


class Handle(StrictModel):
    """Identifies an attempt to the executor that started it; stored with the run."""

    directory: Path
    attempt: int
    details: dict[str, Any] = {}


class ArtifactRef(StrictModel):
    """A file or folder that a run produced."""

    name: str
    type: str
    """`model`, `adapter`, `checkpoint` or `file`."""
    path: str
    """Absolute."""


class Outcome(StrictModel):
    """How the trainer itself says that it ended (outcome.json)."""

    model_config = ConfigDict(validate_by_name=True)

    reason: Reason
    message: str | None = None
    field: Annotated[str, Field(max_length=200)] | None = None
    """The field of the configuration that the message is about."""
    # Trainers outlive the server that started them, and those of the previous version write `figures`.
    metrics: dict[str, float] = Field(default={}, validation_alias="figures")
    artifacts: list[ArtifactRef] = []


class Exit(StrictModel):
    """How the process ended (exit.json)."""

    exit_code: int | None
    """None if a signal ended the process, or if it could not be started."""
    signal: int | None = None
    start_error: str | None = None
    start_errno: int | None = None
    """The error's errno, if it had one."""
    terminated: bool = False
    """True if SIGTERM was sent on request."""
    timed_out: bool = False
    swept: int = 0
    """Number of stray processes that were killed after it."""
    started_at: float | None = None
    finished_at: float
    max_rss_bytes: int | None = None
    outcome: Outcome | None = None


class Starting(StrictModel):
    """The attempt was submitted; its process has not been seen yet."""


class Alive(StrictModel):
    started_at: float
    stopped: bool = False
    """True while the process is stopped by SIGSTOP."""


class Exited(StrictModel):
    exit: Exit


class Lost(StrictModel):
    """Nothing supervises the attempt any more, and there is no exit.json."""

    detail: str
    began: bool = True
    """False if it is certain that its process neither began nor will begin."""
    exit: Exit | None = None
    """The trainer's own outcome, if it wrote one; nobody saw how its process ended."""


class Unknown(StrictModel):
    """The executor cannot tell at the moment (an unreachable cluster, for example). This is never a failure."""

    detail: str


Observation = Starting | Alive | Exited | Lost | Unknown

OUTSIDE_SIGNALS = frozenset(
    {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
)
"""Signals that others send: an operator, a shutdown, a cluster that wants its machine back, the kernel out of memory.
A program raises SIGSEGV, SIGBUS and SIGABRT itself."""
DISK_FULL_EXIT_CODE = 74
"""EX_IOERR: the exit code of a trainer that can write neither its outcome nor its log."""


def reason_of_exit(ending: Exit) -> tuple[Reason, str | None]:
    """Returns why an attempt ended, and the message for its user.

    A trainer writes its outcome last, after its artifacts. So a complete outcome counts whatever became of the process
    afterwards: one that crashed while the interpreter shut down has done its work all the same.
    """
    if ending.start_error is not None:
        return Reason.START_FAILED, ending.start_error
    outcome = ending.outcome
    if ending.timed_out and (outcome is None or outcome.reason not in (Reason.COMPLETED, Reason.STOPPED)):
        return Reason.TIMEOUT, "the run reached its time limit"
    if outcome is not None:
        return outcome.reason, outcome.message
    if ending.terminated and ending.started_at is None:
        return Reason.LOST, "it was asked to end before it began"
    if ending.exit_code == DISK_FULL_EXIT_CODE:
        return Reason.DISK_FULL, "the disk was full or read-only, so that the trainer could not even write how it ended"
    if ending.signal == HANG_SIGNAL:
        return Reason.ERROR, ENDLESS_TEMPLATE
    if ending.signal in OUTSIDE_SIGNALS:
        return Reason.KILLED, f"signal {ending.signal} from outside ended the trainer"
    if ending.signal is not None:
        return Reason.ERROR, f"the trainer was ended by signal {ending.signal}"
    if ending.exit_code == 0:
        return Reason.LOST, "the trainer ended without saying how"
    return Reason.ERROR, f"the trainer ended with exit code {ending.exit_code}"
