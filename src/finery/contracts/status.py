"""The states of a run, who may follow whom, and the reasons that decide the last one."""

from enum import StrEnum


class RunStatus(StrEnum):
    QUEUED = "queued"
    """Accepted and durable; waiting for a lease."""
    STARTING = "starting"
    """Claimed, with leases; its process is being started."""
    RUNNING = "running"
    """Its process was seen alive."""
    PAUSED = "paused"
    """Ended at a checkpoint on request, without leases; `resume` queues it again."""
    SUCCEEDED = "succeeded"
    """Ended well; the output is whole."""
    FAILED = "failed"
    """Ended badly; the reason and the error say how."""
    CANCELLED = "cancelled"
    """Ended because somebody asked for it."""

    @property
    def is_finished(self) -> bool:
        return self in FINISHED

    @property
    def is_live(self) -> bool:
        """True while an attempt may have a process."""
        return self in (RunStatus.STARTING, RunStatus.RUNNING)


FINISHED = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED})

TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset({RunStatus.STARTING, RunStatus.PAUSED, RunStatus.CANCELLED, RunStatus.FAILED}),
    RunStatus.STARTING: frozenset(
        {
            RunStatus.RUNNING,
            RunStatus.QUEUED,
            RunStatus.PAUSED,
            RunStatus.SUCCEEDED,
            RunStatus.FAILED,
            RunStatus.CANCELLED,
        }
    ),
    RunStatus.RUNNING: frozenset(
        {RunStatus.QUEUED, RunStatus.PAUSED, RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED}
    ),
    RunStatus.PAUSED: frozenset({RunStatus.QUEUED, RunStatus.CANCELLED}),
    RunStatus.SUCCEEDED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
}
"""A run that the server carries out. `starting|running → queued` is a lost attempt that resumes."""

EXTERNAL_TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING, *FINISHED}),
    RunStatus.RUNNING: frozenset({RunStatus.QUEUED, *FINISHED}),
    RunStatus.SUCCEEDED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
}
"""A run that is carried out elsewhere and reported here."""


class Intent(StrEnum):
    """What somebody asked of a run; stored on it until an attempt's end answers it."""

    CANCEL = "cancel"
    PAUSE = "pause"
    STOP = "stop"


class Reason(StrEnum):
    """Why an attempt ended."""

    COMPLETED = "completed"
    """The trainer finished its work."""
    STOPPED = "stopped"
    """It was asked to stop early, and saved its model."""
    PAUSED = "paused"
    """It was asked to pause, and saved a checkpoint."""
    ERROR = "error"
    """The trainer failed by itself: bad data, NaN, a crash."""
    KILLED = "killed"
    """A signal from outside ended it, which nobody here had sent."""
    OOM = "oom"
    """It ran out of device or machine memory."""
    CANCELLED = "cancelled"
    """Somebody cancelled it."""
    TIMEOUT = "timeout"
    """It reached its time limit."""
    LOST = "lost"
    """Its process vanished without an account of itself."""
    START_FAILED = "start_failed"
    """Its process could not be started."""
    INVALID_DATA = "invalid_data"
    """Its data were refused before it was queued."""
    DISK_FULL = "disk_full"
    """The disk was full, or took nothing since it was read-only."""


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
    """What is tried before a run fails, as often as `max_lost` allows without a checkpoint in between."""

    NONE = "none"
    """It would end in the same way once more."""
    CHECKPOINT = "checkpoint"
    """It goes on from its last whole checkpoint. Without one it fails: whoever killed it may have meant it."""
    RESTART = "restart"
    """It goes on from its last whole checkpoint, or else begins anew."""
    SMALLER_BATCH = "smaller_batch"
    """As RESTART, with half the batch; see trainers.training_loop."""


RECOVERY_OF_REASON: dict[Reason, Recovery] = {
    Reason.LOST: Recovery.RESTART,
    # Nobody had asked for it: a machine that shuts down sends SIGTERM, and the trainer saves.
    Reason.PAUSED: Recovery.RESTART,
    Reason.KILLED: Recovery.CHECKPOINT,
    # Where the kernel ended it. A trainer that says so itself has tried the smallest batch.
    Reason.OOM: Recovery.SMALLER_BATCH,
}
"""The others have none. docs/ARCHITECTURE.md has the table by causes."""
