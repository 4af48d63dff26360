"""What the server and an executor say to each other about a supervised process."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from finery.contracts.status import Reason


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Launch(Frozen):
    """One attempt, ready to be started."""

    mark: str
    """`<run id>/<attempt>`: the value of MARK_VARIABLE in every process of the attempt."""
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


class Made(Frozen):
    """Something that a run leaves behind."""

    name: str
    type: str
    """`model`, `adapter`, `checkpoint` or `file`."""
    path: str
    """Absolute."""


class Outcome(Frozen):
    """The trainer's own account (outcome.json)."""

    reason: Reason
    message: str | None = None
    figures: dict[str, float] = {}
    artifacts: list[Made] = []


class Exit(Frozen):
    """How the process ended (exit.json)."""

    exit_code: int | None
    """None when a signal ended it, or when it could not be started."""
    signal: int | None = None
    start_error: str | None = None
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
    """Nothing minds the attempt any more and no account of its end exists."""

    detail: str


class Unknown(Frozen):
    """The executor cannot say now (a cluster out of reach). Never a failure."""

    detail: str


Observation = Starting | Alive | Exited | Lost | Unknown


def judge(ending: Exit) -> tuple[Reason, str | None]:
    """The reason for an attempt's end, and the message for its user."""
    if ending.start_error is not None:
        return Reason.START_FAILED, ending.start_error
    if ending.timed_out:
        return Reason.TIMEOUT, "the run reached its time limit"
    if ending.outcome is not None and (ending.exit_code == 0 or not _is_good(ending.outcome.reason)):
        return ending.outcome.reason, ending.outcome.message
    if ending.signal is not None:
        return Reason.ERROR, f"the trainer was ended by signal {ending.signal}"
    if ending.exit_code == 0:
        return Reason.LOST, "the trainer ended without saying how"
    return Reason.ERROR, f"the trainer ended with exit code {ending.exit_code}"


def _is_good(reason: Reason) -> bool:
    return reason in (Reason.COMPLETED, Reason.STOPPED, Reason.PAUSED)
