"""The executor `local`: runs attempts as processes of this machine, each watched by a shim that outlives the server."""

import contextlib
import functools
import os
import signal
import sys
import threading
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from finery.contracts.layout import (
    CONTROL_CHECKPOINT,
    CONTROL_PAUSE,
    CONTROL_STOP,
    CONTROL_VALIDATE,
    MARK_VARIABLE,
    AttemptDirectory,
    RunDirectory,
    mark_of,
    shim_mark,
)
from finery.contracts.process import Exited, Handle, Launch, Lost, Observation, Unknown
from finery.executors.base import NotYet, SubmitFailed
from finery.executors.local.environment import base_environment, failpoint_environment, tracking_environment
from finery.executors.local.leftovers import of_dead_shim, of_no_record, sweep
from finery.executors.local.observation import ShimRecord, has_shim, observe, read_exit
from finery.executors.local.warm_parent import WarmParent
from finery.kit.files import read_json, write_json
from finery.kit.processes import Identity, boot_id, uptime

SWEEP_SECONDS = 5.0

CONTROLS = frozenset({CONTROL_CHECKPOINT, CONTROL_VALIDATE, CONTROL_STOP, CONTROL_PAUSE})

PACKAGE_ROOT = str(Path(__file__).resolve().parents[3])


class LocalExecutor:
    """See executors.base for what each method promises. It keeps no state: files and the kernel have it all."""

    def __init__(
        self, python: str = sys.executable, warm: WarmParent | None = None, home_id: str | None = None
    ) -> None:
        """`home_id` names the home whose attempts are ours; those of a copied directory are not. None: all are."""
        self.python = python
        self._warm = warm
        self._home_id = home_id
        self._unreaped: set[int] = set()
        self._writing = threading.Lock()

    def path_there(self, path: Path) -> Path:
        return path

    def path_here(self, path: Path) -> Path:
        return path

    def submit(self, launch: Launch) -> Handle:
        attempt = RunDirectory(launch.directory).attempt(launch.attempt)
        try:
            with self._writing:
                environment = _write(launch, attempt)
            if attempt.exit.exists() or attempt.shim.exists():
                return Handle(directory=launch.directory, attempt=launch.attempt)
            shim = self._fork(launch, environment, attempt) or self._spawn(launch, attempt)
        except OSError as error:
            # A warm parent that did not answer may have forked all the same: its shim finds the request to end.
            try:
                write_json(attempt.terminate, {"grace_seconds": 0.0})
            except OSError:
                # On a full disk nothing can be written, but removed: without its launch no shim starts anything.
                with contextlib.suppress(OSError):
                    attempt.launch.unlink()
            _forget_environment(attempt)
            raise SubmitFailed(f"the process could not be started on this machine: {error}") from error
        details = {"shim": shim.describe(), "mark": launch.mark}
        return Handle(directory=launch.directory, attempt=launch.attempt, details=details)

    def poll(self, handle: Handle) -> Observation:
        try:
            observation = observe(_attempt(handle), _spawned(handle))
        except OSError as error:
            return Unknown(detail=str(error))
        if isinstance(observation, Exited | Lost):
            _forget_environment(_attempt(handle))
            self._reap()
        return observation

    def stop(self, handle: Handle, grace_seconds: float) -> None:
        attempt = _attempt(handle)
        if read_exit(attempt) is not None:
            return
        record, mark = ShimRecord.read(attempt), _mark(handle)
        try:
            attempt.path.mkdir(parents=True, exist_ok=True)
            write_json(attempt.terminate, {"grace_seconds": grace_seconds})
        except OSError:
            # On a full disk the request cannot be stored; the process, which may be what fills it, gets SIGTERM anyway.
            if record is not None and mark is not None:
                record.process.signal(signal.SIGTERM, mark=f"{MARK_VARIABLE}={mark}")
            raise
        # A shim that is not on record yet looks for the request itself; a signal could end it in its own start.
        if record is None or mark is None:
            return
        if not has_shim(attempt):
            self.sweep(handle)
        else:
            # The signal only wakes it early; from another container, which sees no shim, the request must do.
            record.shim.signal(signal.SIGTERM, mark=shim_mark(mark))

    def read(self, handle: Handle, file: str, offset: int, limit: int) -> bytes:
        path = _inside(handle.directory, file)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError as error:
            raise NotYet(f"{file} is not there yet") from error
        try:
            return os.pread(descriptor, limit, offset)
        finally:
            os.close(descriptor)

    def control(self, handle: Handle, name: str) -> None:
        if name not in CONTROLS:
            raise ValueError(f"a trainer knows no request {name!r}; it knows {', '.join(sorted(CONTROLS))}")
        directory = RunDirectory(handle.directory).control
        try:
            directory.mkdir(exist_ok=True)
        except FileNotFoundError as error:
            raise NotYet("the run has no directory yet") from error
        (directory / name).touch()

    def sweep(self, handle: Handle) -> int:
        attempt = _attempt(handle)
        record, mark = ShimRecord.read(attempt), _mark(handle)
        shim, process = (record.shim, record.process) if record else (_spawned(handle), None)
        killed: set[Identity] = set()
        if mark is not None and self._is_ours(handle, mark):
            killed = sweep(functools.partial(of_dead_shim, shim, process, mark), SWEEP_SECONDS)
        _forget_environment(attempt)
        self._reap()
        return len(killed)

    def sweep_strays(self, live: Collection[str]) -> int:
        if self._home_id is None:
            return 0
        return len(sweep(functools.partial(of_no_record, f"{self._home_id}/", live), SWEEP_SECONDS))

    def _fork(self, launch: Launch, environment: dict[str, str], attempt: AttemptDirectory) -> Identity | None:
        if launch.warm_entry is None or self._warm is None or not self._warm.suits(launch.argv, environment):
            return None
        pid = self._warm.fork(attempt.path)
        try:
            return None if pid is None else Identity.of(pid)
        except ProcessLookupError:
            return None

    def _is_ours(self, handle: Handle, mark: str) -> bool:
        """Returns whether the attempt is this home's. Older marks do not name their home."""
        named = mark_of(self._home_id or "", handle.directory, handle.attempt)
        return self._home_id is None or mark in (named, f"{handle.directory.name}/{handle.attempt}")

    def _spawn(self, launch: Launch, attempt: AttemptDirectory) -> Identity:
        # Without site-packages and working directory it starts fast: it needs this package and the standard library.
        shim = [self.python, "-S", "-P", "-m", "finery.executors.local.shim", str(self.path_there(attempt.path))]
        # The mark distinguishes the shim from others, also from that of a copied directory's original.
        name, _, mark = shim_mark(launch.mark).partition("=")
        return self.start_shim(
            shim, {**base_environment(), **failpoint_environment(), "PYTHONPATH": PACKAGE_ROOT, name: mark}
        )

    def start_shim(self, argv: list[str], environment: dict[str, str]) -> Identity:
        """Start the shim with a session and standard streams of its own. Raises OSError.

        Executors that differ from this one only in how the shim is started override it.
        """
        nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0)
        pid = os.posix_spawnp(
            argv[0],
            argv,
            environment,
            file_actions=[nothing, (os.POSIX_SPAWN_DUP2, 0, 1), (os.POSIX_SPAWN_DUP2, 0, 2)],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE),
        )
        self._reap()
        self._unreaped.add(pid)
        return Identity.of(pid)

    def _reap(self) -> None:
        """Wait for ended shims, so that no zombies stay; those of an earlier server are not children of this one."""
        for pid in list(self._unreaped):
            try:
                ended, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended = pid
            if ended:
                self._unreaped.discard(pid)


def _write(launch: Launch, attempt: AttemptDirectory) -> dict[str, str]:
    """Write the environment and launch.json unless they are there; return the whole environment of the process.

    launch.json comes last: where it is, everything is.
    """
    # Only our own trainers have a warm entry.
    passed = base_environment(
        also=tracking_environment(launch.environment) if launch.warm_entry is not None else frozenset()
    )
    environment = {**passed, **launch.environment, MARK_VARIABLE: launch.mark}
    if not attempt.launch.exists():
        attempt.path.mkdir(parents=True, exist_ok=True)
        write_json(attempt.environment, environment, mode=0o600)
        submitted = {"boot_id": boot_id(), "uptime": uptime()}
        write_json(attempt.launch, {**launch.model_dump(mode="json", exclude={"environment"}), "submitted": submitted})
    return environment


def _forget_environment(attempt: AttemptDirectory) -> None:
    """Remove the secrets of an attempt that will not start any more, half-written ones included."""
    name = attempt.environment.name
    for path in (attempt.environment, *attempt.path.glob(f".{name}.*")):
        with contextlib.suppress(OSError):
            path.unlink()


def _attempt(handle: Handle) -> AttemptDirectory:
    return RunDirectory(handle.directory).attempt(handle.attempt)


def _mark(handle: Handle) -> str | None:
    """Returns None where nothing says it: the attempt's processes cannot be told from strangers' then."""
    launch = read_json(_attempt(handle).launch)
    mark = handle.details.get("mark") if launch is None else launch["mark"]
    return None if mark is None else str(mark)


def _spawned(handle: Handle) -> Identity | None:
    return Identity.parse(handle.details.get("shim"))


def _inside(directory: Path, file: str) -> Path:
    parts = PurePosixPath(file).parts
    if not parts or parts[0] == "/" or ".." in parts or "\0" in file:
        raise ValueError(f"{file!r} is not the name of a file in the run directory")
    return directory.joinpath(*parts)
