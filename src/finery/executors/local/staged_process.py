"""Forks the process of an attempt and holds it back until it is on record; then it becomes the program."""

import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from finery.executors.local import prctl
from finery.kit.processes import Identity

GO = b"1"

BecomeProgram = Callable[[dict[str, Any], dict[str, str], int], NoReturn]
"""Turns the prepared child into the program: given launch.json, the whole environment, and the descriptor that must be
closed once the program has begun. Raises OSError or ValueError when it cannot be."""


class StartFailed(Exception):
    """The program could not be started; the message names it."""

    def __init__(self, message: str, errno: int | None) -> None:
        super().__init__(message)
        self.errno = errno


@dataclass(frozen=True)
class StagedProcess:
    """A forked child that waits for its release. It ends by itself if its shim does."""

    process: Identity
    gate: int
    errors: int

    def release(self) -> None:
        """Let it begin, and wait until it has. Raises StartFailed."""
        os.write(self.gate, GO)
        os.close(self.gate)
        with os.fdopen(self.errors, "rb") as file:
            message = file.read()
        if message:
            number, _, words = message.decode(errors="replace").partition(" ")
            raise StartFailed(words, int(number) or None)

    def drop(self) -> None:
        """End it before it has begun: it reads the end of the pipe in place of GO."""
        os.close(self.gate)
        os.close(self.errors)


def stage(launch: dict[str, Any], environment: dict[str, str], become: BecomeProgram, lock: int) -> StagedProcess:
    """Fork the process. `lock` is the shim's lock, which a child that never calls exec would keep held.

    Raises OSError when it cannot be forked.
    """
    gate_read, gate_write = os.pipe()
    error_read, error_write = os.pipe()
    shim = os.getpid()
    pid = os.fork()
    if pid == 0:
        for descriptor in (gate_write, error_read, lock):
            os.close(descriptor)
        _run_child(launch, environment, become, shim, gate_read, error_write)
    os.close(gate_read)
    os.close(error_write)
    return StagedProcess(Identity.of(pid), gate_write, error_read)


def execute(launch: dict[str, Any], environment: dict[str, str], errors: int) -> NoReturn:
    """Replace the child with the program of `argv`: the cold start. `errors` closes itself on exec."""
    argv: list[str] = launch["argv"]
    if not argv:
        raise ValueError("the list of arguments is empty")
    try:
        os.execvpe(argv[0], argv, environment)
    except OSError as error:
        raise OSError(error.errno, f"cannot start {argv[0]!r}: {error.strerror}") from error


def _run_child(
    launch: dict[str, Any], environment: dict[str, str], become: BecomeProgram, shim: int, gate: int, errors: int
) -> NoReturn:
    try:
        # A session of its own is a process group of its own too: what is killed is never the shim.
        os.setsid()
        prctl.die_with_parent()
        # The shim may have died before the line above, in which case nobody would end this process.
        if os.getppid() == shim and os.read(gate, 1) == GO:
            os.close(gate)
            _prepare(Path(launch["log_file"]), Path(launch["working_directory"]))
            become(launch, environment, errors)
    except (OSError, ValueError) as error:
        os.write(errors, _describe(error).encode())
    finally:
        os._exit(127)


def _prepare(log_file: Path, working_directory: Path) -> None:
    log_file.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    for descriptor in (nothing, log):
        if descriptor > 2:
            os.close(descriptor)
    os.chdir(working_directory)
    # Python ignores SIGPIPE, and an ignored signal stays ignored through exec.
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # Short of memory, the kernel then ends this process rather than the server or a shim.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def _describe(error: OSError | ValueError) -> str:
    """Returns the system's number of the error, or 0, and a message, as `release` reads them."""
    if isinstance(error, OSError):
        place = f": {error.filename!r}" if error.filename is not None else ""
        return f"{error.errno or 0} {error.strerror}{place}"
    return f"0 {error}"
