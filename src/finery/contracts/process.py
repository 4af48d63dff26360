"""What the server and an executor say to each other about a supervised process."""

import signal
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from finery.contracts.chat_prompts import ENDLESS_TEMPLATE
from finery.contracts.status import Reason
from finery.kit.limits import HANG_SIGNAL


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Launch(Frozen):
    """One attempt, ready to be started."""

    mark: str
    """See `layout.mark_of`: the value of MARK_VARIABLE in every process of the attempt."""
    directory: Path
    """The run directory (absolute)."""
    attempt: int
    argv: list[str]
    working_directory: Path
    log_file: Path
    environment: dict[str, str] = {}
    """Added to the executor's clean environment; secrets travel here and nowhere else."""
    grace_seconds: float = 30.0
    """Between SIGTERM and SIGKILL when the time limit is reached."""
    time_limit_seconds: float | None = None
    warm_entry: str | None = None
    """A module that a warm parent may run in place of `argv` (`finery.trainers`), given `argv[-1:]`."""


class Handle(Frozen):
    """Names an attempt to the executor that started it; stored with the run."""

    directory: Path
    attempt: int
    details: dict[str, Any] = {}


class ArtifactRef(Frozen):
    """Something that a run leaves behind."""

    name: str
    type: str
    """`model`, `adapter`, `checkpoint` or `file`."""
    path: str
    """Absolute."""


class Outcome(Frozen):
    """The trainer's own account (outcome.json)."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)

    reason: Reason
    message: str | None = None
    # Trainers outlive the server that started them: one of the version before writes `figures`.
    metrics: dict[str, float] = Field(default={}, validation_alias="figures")
    artifacts: list[ArtifactRef] = []


class Exit(Frozen):
    """How the process ended (exit.json)."""

    exit_code: int | None
    """None when a signal ended it, or when it could not be started."""
    signal: int | None = None
    start_error: str | None = None
    start_errno: int | None = None
    """The system's number of that error, where it had one."""
    terminated: bool = False
    """True when SIGTERM was sent on request."""
    timed_out: bool = False
    swept: int = 0
    """How many stray processes were killed after it."""
    started_at: float | None = None
    finished_at: float
    max_rss_bytes: int | None = None
    outcome: Outcome | None = None


class Starting(Frozen):
    """Submitted; the process has not been seen yet."""


class Alive(Frozen):
    started_at: float
    stopped: bool = False
    """True while the process is held by SIGSTOP."""


class Exited(Frozen):
    exit: Exit


class Lost(Frozen):
    """Nothing minds the attempt any more, and whoever did left no account of its end."""

    detail: str
    began: bool = True
    """False where it is certain that its process never began, and that it never will."""
    exit: Exit | None = None
    """What the trainer itself had said of its end before its minder was gone; nobody saw how its process ended."""


class Unknown(Frozen):
    """The executor cannot say now (a cluster out of reach). Never a failure."""

    detail: str


Observation = Starting | Alive | Exited | Lost | Unknown

OUTSIDE_SIGNALS = frozenset(
    {
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGKILL,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGUSR2,
    }
)
"""Signals that a program does not bring upon itself, as it does SIGSEGV, SIGBUS or SIGABRT: an operator, a shutdown, a
cluster that wants its machine back, or a guard of its memory sends them."""
DISK_FULL_EXIT_CODE = 74
"""EX_IOERR: a trainer that cannot even write its outcome, or its log, says so with it."""


def reason_of_exit(ending: Exit) -> tuple[Reason, str | None]:
    """The reason for an attempt's end, and the message for its user.

    A whole outcome is the last thing that a trainer writes, after all that it leaves behind. So it holds whatever
    became of the process afterwards: one that crashed while it left the interpreter has done its work all the same.
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
