"""What every executor does: four verbs, each at once and repeatable; more powers are protocols of their own."""

from collections.abc import Collection
from pathlib import Path
from typing import Protocol, runtime_checkable

from finery.contracts.process import Handle, Launch, Observation


class ExecutorError(Exception):
    """An executor could not do what it was asked; the message is written for the user."""


class SubmitFailed(ExecutorError):
    """The attempt was not started, and will not be: nothing of it runs. Another try is another attempt."""


class NotYet(ExecutorError):
    """What was asked for is not there yet. Ask again later."""


class Unreachable(ExecutorError):
    """Whoever carries out the attempt does not answer. It says nothing about the attempt."""


class Executor(Protocol):
    """Starts and minds attempts at a place of its own. Every verb answers at once (< 1 s) and may be called from any
    thread.

    A handle made from directory and attempt alone (`details` empty) is as good as the one `submit` returned, so an
    attempt whose handle was never stored is found again. Handles, and `directory` in a launch, are paths of the
    server's; whatever else a launch holds is as it is seen at the place.
    """

    @property
    def python(self) -> str:
        """The interpreter there that has Finery and what its trainers need."""
        ...

    def path_there(self, path: Path) -> Path:
        """How a path that the server sees, of the home or of what is allowed beside it, is seen at the place."""
        ...

    def path_here(self, path: Path) -> Path:
        """The other way: of what an attempt has told. A path that is seen at the place alone stays as it is."""
        ...

    def submit(self, launch: Launch) -> Handle:
        """Have the attempt started, once: a repeated call starts nothing and returns a handle of the same attempt.

        Its launch.json is in the attempt's directory before anything is started: by that, `read` tells whether an
        attempt was submitted. One that was asked to stop before is not started; `poll` then says Exited.
        Raises SubmitFailed, Unreachable.
        """
        ...

    def poll(self, handle: Handle) -> Observation:
        """What is known now. Exited and Lost are final: no process of the attempt starts after either.

        Never raises for an attempt's own fate; an executor out of reach answers Unknown.
        """
        ...

    def stop(self, handle: Handle, grace_seconds: float) -> None:
        """Ask the attempt to end: SIGTERM now, SIGKILL to all of it after `grace_seconds`.

        The request is durable, also for an attempt that was not started yet. Repeating it can only bring the end
        nearer. Silent when the attempt has ended or was never there.
        Raises Unreachable, and OSError where the request could not be kept: repeat it then.
        """
        ...

    def read(self, handle: Handle, file: str, offset: int, limit: int) -> bytes:
        """At most `limit` bytes of a file of the run directory from `offset`; empty at its end.

        Raises NotYet while the file is not there, ValueError for a name that leaves the run directory, Unreachable.
        """
        ...


@runtime_checkable
class Controllable(Protocol):
    """Hands requests to the running trainer."""

    def control(self, handle: Handle, name: str) -> None:
        """Leave the request `checkpoint`, `validate`, `stop` or `pause` for the trainer; at once, repeatable.

        Nobody need be there to read it. Raises ValueError for another name, NotYet without a run directory,
        Unreachable.
        """
        ...


@runtime_checkable
class Sweepable(Protocol):
    """Can end what a lost attempt left behind."""

    def sweep(self, handle: Handle) -> int:
        """SIGKILL every process left of the attempt, its minder included; return how many there were.

        Waits for their end, at most some seconds. Call it after Lost and before the next attempt; 0 means that
        nothing is left. Never touches a process that it cannot prove to be the attempt's. Raises Unreachable.
        """
        ...


def sweep(executor: Executor, handle: Handle) -> int:
    """See Sweepable; 0 where the executor cannot."""
    return executor.sweep(handle) if isinstance(executor, Sweepable) else 0


@runtime_checkable
class StraySweepable(Protocol):
    """Can end what no record leads to any more."""

    def sweep_strays(self, live: Collection[str]) -> int:
        """SIGKILL every process of this home's attempts whose mark is not among `live`; return how many there were.

        Their minders end by themselves then. Call it while nothing is being submitted.
        """
        ...
