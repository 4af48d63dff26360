"""The interface of an executor, which starts, watches and stops runs at its place, and the errors that it raises."""

from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from finery.contracts.process import Handle, Launch, Observation


class ExecutorError(Exception):
    """An executor could not do what was asked of it; the message is written for the user."""


class SubmitFailed(ExecutorError):
    """The attempt was not started, and will not be: nothing of it runs. Another try is another attempt."""


class NotYet(ExecutorError):
    """What was asked for is not there yet. Ask again later."""


class Unreachable(ExecutorError):
    """The place of the attempt does not answer. That says nothing about the attempt."""


class Executor(Protocol):
    """Starts and watches attempts at a place of its own. Every method returns at once (< 1 s) unless it says otherwise,
    and may be called from any thread.

    A handle made from directory and attempt alone (`details` empty) is as good as the one `submit` returned, so an
    attempt whose handle was never stored is found again. Handles, and `directory` in a launch, are paths of the
    server's; all other paths in a launch are as the place sees them.
    """

    @property
    def python(self) -> str:
        """The interpreter at the place that has Finery and what its trainers need."""
        ...

    def path_there(self, path: Path) -> Path:
        """Returns how the place sees a path of the server's, in the home or an allowed root."""
        ...

    def path_here(self, path: Path) -> Path:
        """Returns how the server sees a path that an attempt reported. One that only the place has stays as it is."""
        ...

    def submit(self, launch: Launch) -> Handle:
        """Start the attempt, once: a repeated call starts nothing and returns a handle of the same attempt.

        Its launch.json is in the attempt's directory before anything is started, so that `read` shows whether an
        attempt was submitted. One that was asked to stop before is not started; `poll` then returns Exited.
        Raises SubmitFailed, Unreachable.
        """
        ...

    def poll(self, handle: Handle) -> Observation:
        """Returns what is known now. Exited and Lost are final: no process of the attempt starts after either.

        Never raises for an attempt's own fate; an executor whose place does not answer returns Unknown.
        """
        ...

    def stop(self, handle: Handle, grace_seconds: float) -> None:
        """Ask the attempt to end: SIGTERM now, SIGKILL to all of it after `grace_seconds`.

        The request is durable, also for an attempt that was not started yet. Repeating it can only bring the end
        nearer. It does nothing when the attempt has ended or was never there.
        Raises Unreachable, and OSError where the request could not be stored: repeat it then.
        """
        ...

    def read(self, handle: Handle, file: str, offset: int, limit: int) -> bytes:
        """Returns at most `limit` bytes of a file of the run directory from `offset`; none at its end.

        Raises NotYet while the file is not there, ValueError for a name that leaves the run directory, Unreachable.
        """
        ...

    def control(self, handle: Handle, name: str) -> None:
        """Leave the request `checkpoint`, `validate`, `stop` or `pause` for the trainer; at once, repeatable.

        The trainer need not run. Raises ValueError for another name, NotYet without a run directory, Unreachable.
        """
        ...

    def sweep(self, handle: Handle) -> int:
        """SIGKILL every process left of the attempt, its shim included; return how many there were.

        Waits for their end, at most some seconds. Call it after Lost and before the next attempt; 0 means that
        nothing is left. Never touches a process that it cannot prove to be the attempt's. Raises Unreachable.
        """
        ...

    def sweep_strays(self, live: Collection[str]) -> int:
        """SIGKILL every process of this home's attempts whose mark is not among `live`; return how many there were.

        Their shims end by themselves then. Call it while nothing is being submitted.
        """
        ...
