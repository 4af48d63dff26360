"""Exit codes of the commands, which scripts can rely on."""

from enum import IntEnum

from finery.contracts.status import RunStatus


class ExitCode(IntEnum):
    SUCCEEDED = 0
    """Done; a run that was followed has succeeded."""
    FAILED = 1
    """The run failed, or the server did."""
    REFUSED = 2
    """Wrong usage, or a request that the server refused: nothing was done."""
    UNREACHABLE = 3
    """No server answers."""
    CANCELLED = 4
    """The run was cancelled."""
    PAUSED = 5
    """The run was paused; it can be resumed."""
    TIMED_OUT = 124
    """The time that `--timeout` gave is over; the run goes on."""
    INTERRUPTED = 130
    """Ctrl-C; a run that was followed goes on."""


EXIT_OF_STATUS = {
    RunStatus.SUCCEEDED: ExitCode.SUCCEEDED,
    RunStatus.FAILED: ExitCode.FAILED,
    RunStatus.CANCELLED: ExitCode.CANCELLED,
    RunStatus.PAUSED: ExitCode.PAUSED,
}
