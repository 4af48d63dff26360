"""Run states and their transitions, and the reasons for an attempt's end with the states that follow from them."""

from enum import StrEnum


class RunStatus(StrEnum):
    QUEUED = "queued"
    """Accepted and durable; waiting for a lease."""
    STARTING = "starting"
    """Claimed, with leases; its process is starting."""
    RUNNING = "running"
    """Its process was seen alive."""
    PAUSED = "paused"
    """Ended at a checkpoint on request, without leases; `resume` queues it again."""
    SUCCEEDED = "succeeded"
    """Ended successfully; the output is complete."""
    FAILED = "failed"
    """Ended with an error; `reason` and `error` say which."""
    CANCELLED = "cancelled"
    """Ended because it was cancelled."""

    @property
    def is_finished(self) -> bool:
        return self in FINISHED

    @property
    def is_live(self) -> bool:
        """Whether an attempt may have a process."""
        return self in (RunStatus.STARTING, RunStatus.RUNNING)


FINISHED = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED})

TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset({RunStatus.STARTING, RunStatus.PAUSED, RunStatus.CANCELLED, RunStatus.FAILED}),
    RunStatus.STARTING: frozenset({RunStatus.RUNNING, RunStatus.QUEUED, RunStatus.PAUSED, *FINISHED}),
    RunStatus.RUNNING: frozenset({RunStatus.QUEUED, RunStatus.PAUSED, *FINISHED}),
    RunStatus.PAUSED: frozenset({RunStatus.QUEUED, RunStatus.CANCELLED}),
    RunStatus.SUCCEEDED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
}
"""Transitions of a run that the server executes. `starting|running → queued` is a lost attempt that resumes."""

EXTERNAL_TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING, *FINISHED}),
    RunStatus.RUNNING: frozenset({RunStatus.QUEUED, *FINISHED}),
    RunStatus.SUCCEEDED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
}
"""Transitions of a run that is executed elsewhere and reported here."""


class Intent(StrEnum):
    """A request to end a run's attempt; stored with the run until the attempt has ended."""

    CANCEL = "cancel"
    PAUSE = "pause"
    STOP = "stop"


class Reason(StrEnum):
    """Why an attempt ended."""

    COMPLETED = "completed"
    """The trainer finished its work."""
    STOPPED = "stopped"
    """It stopped early on request, and saved its model."""
    PAUSED = "paused"
    """It paused on request, and saved a checkpoint."""
    ERROR = "error"
    """The trainer failed: invalid data, NaN, a crash."""
    KILLED = "killed"
    """A signal ended it that the server had not sent."""
    OOM = "oom"
    """It ran out of GPU or machine memory."""
    CANCELLED = "cancelled"
    """It was cancelled."""
    TIMEOUT = "timeout"
    """It reached its time limit."""
    LOST = "lost"
    """Its process vanished and left neither outcome nor exit code."""
    START_FAILED = "start_failed"
    """Its process could not be started."""
    INVALID_DATA = "invalid_data"
    """Its data was refused before it was queued."""
    DISK_FULL = "disk_full"
    """The disk was full or read-only."""


STATUS_OF_REASON: dict[Reason, RunStatus] = {
    Reason.COMPLETED: RunStatus.SUCCEEDED,
    Reason.STOPPED: RunStatus.SUCCEEDED,
    Reason.PAUSED: RunStatus.PAUSED,
    Reason.ERROR: RunStatus.FAILED,
    Reason.KILLED: RunStatus.FAILED,
    Reason.OOM: RunStatus.FAILED,
    Reason.INVALID_DATA: RunStatus.FAILED,
    Reason.CANCELLED: RunStatus.CANCELLED,
    Reason.TIMEOUT: RunStatus.FAILED,
    Reason.LOST: RunStatus.FAILED,
    Reason.START_FAILED: RunStatus.FAILED,
    Reason.DISK_FULL: RunStatus.FAILED,
}


class Recovery(StrEnum):
    """What the server tries before a run fails, at most `max_lost` times without a new checkpoint in between."""

    NONE = "none"
    """Nothing: another attempt would end the same way."""
    CHECKPOINT = "checkpoint"
    """It resumes from its last checkpoint. Without one it fails, since whoever killed it may have meant to."""
    RESTART = "restart"
    """It resumes from its last checkpoint, or starts over without one."""
    SMALLER_BATCH = "smaller_batch"
    """As RESTART, with half the batch size; see trainers.training_loop."""


RECOVERY_OF_REASON: dict[Reason, Recovery] = {
    Reason.LOST: Recovery.RESTART,
    # Without an intent to pause, this is a machine that shuts down: it sends SIGTERM, and the trainer saves.
    Reason.PAUSED: Recovery.RESTART,
    Reason.KILLED: Recovery.CHECKPOINT,
    # Only where the kernel killed it: a trainer that reports OOM itself has tried the smallest batch.
    Reason.OOM: Recovery.SMALLER_BATCH,
}
"""Other reasons have Recovery.NONE. docs/ARCHITECTURE.md has the table by causes."""
