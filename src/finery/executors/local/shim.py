"""The shim, a process that starts one attempt, watches it and records its end, and outlives the server.

    python -m finery.executors.local.shim ATTEMPT_DIRECTORY

Standard library only, and single-threaded: the process that it starts dies with the thread that forked it.
"""

import contextlib
import fcntl
import math
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from finery.contracts.layout import AttemptDirectory
from finery.executors.local import prctl
from finery.executors.local.exit_record import Ending, ExitFile
from finery.executors.local.leftovers import below_shim, sweep
from finery.executors.local.oom import OomWatch
from finery.executors.local.staged_process import BecomeProgram, StagedProcess, StartFailed, execute, stage
from finery.kit.clock import epoch_now
from finery.kit.failpoints import failpoint
from finery.kit.files import read_json, write_json
from finery.kit.processes import Identity, group_members

POLL_SECONDS = 1.0
"""How long a request to end may wait when its wake-up was missed."""

SWEEP_SECONDS = 10.0
"""How long to go on about processes that do not die of SIGKILL (they hang in the kernel)."""

EXIT_FILE_PATIENCE_SECONDS = 600.0

LOCK_PATIENCE_SECONDS = 10.0
"""How long to wait for a lock that no shim on record holds."""

WAKING = (signal.SIGCHLD, signal.SIGTERM)


def main() -> None:
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir("/")
    run_attempt(AttemptDirectory(Path(sys.argv[1])), execute)


def run_attempt(attempt: AttemptDirectory, become: BecomeProgram) -> None:
    """Start the attempt's process, unless it was started before, wait for its end, and write exit.json.

    Returns at once when another shim has the attempt, or had it.
    """
    prctl.set_name("finery-shim")
    prctl.become_subreaper()
    signal.pthread_sigmask(signal.SIG_BLOCK, WAKING)
    lock = _take(attempt)
    if lock is None or attempt.exit.exists() or attempt.shim.exists():
        return
    failpoint("shim.locked")
    exit_file = ExitFile(attempt.exit)
    ending = _Attempt(attempt, lock).carry_out(exit_file, become)
    # The environment holds secrets, and is still there where nothing was started.
    with contextlib.suppress(OSError):
        attempt.environment.unlink()
    ending.finished_at = epoch_now()
    failpoint("shim.before_exit_file")
    exit_file.write_ending(ending, EXIT_FILE_PATIENCE_SECONDS)


def _take(attempt: AttemptDirectory) -> int | None:
    """Returns the held lock, which ends with this process; None when another shim has it."""
    descriptor = os.open(attempt.lock, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            # A poll of the server holds it too: for an instant, or as long as a busy machine stops the server there.
            if attempt.shim.exists() or time.monotonic() >= deadline:
                os.close(descriptor)
                return None
        time.sleep(0.01)


class _Attempt:
    """Carries out one attempt: its process, and what that leaves behind."""

    def __init__(self, files: AttemptDirectory, lock: int) -> None:
        self._files = files
        self._lock = lock
        self._launch: dict[str, Any] = {}
        self._ending = Ending()
        self._kill_at = math.inf
        self._limit_at = math.inf
        self._has_ended = False
        self._was_asked = False
        self._group_was_asked = False
        self._ran_out_of_memory = False
        self._memory = OomWatch()

    def carry_out(self, exit_file: ExitFile, become: BecomeProgram) -> Ending:
        if self._files.terminate.exists():
            self._ending.terminated = True
            self._ending.signal = signal.SIGTERM
            return self._ending
        try:
            exit_file.reserve()
            self._launch = _read(self._files.launch)
            self._start(_read(self._files.environment), become)
        except (OSError, ValueError, StartFailed) as error:
            self._ending.start_error = str(error)
            self._ending.start_errno = error.errno if isinstance(error, OSError | StartFailed) else None
            return self._ending
        failpoint("shim.started")
        self._wait()
        failpoint("shim.exited")
        self._ending.swept = len(sweep(lambda: below_shim(self._process.pid, self._launch["mark"]), SWEEP_SECONDS))
        self._ending.outcome = self._outcome()
        return self._ending

    def _start(self, environment: dict[str, str], become: BecomeProgram) -> None:
        staged = stage(self._launch, environment, become, self._lock)
        self._process = staged.process
        self._ending.started_at = epoch_now()
        try:
            self._record(staged)
        except OSError:
            staged.drop()
            raise
        staged.release()
        limit = self._launch["time_limit_seconds"]
        if limit is not None:
            self._limit_at = time.monotonic() + limit

    def _record(self, staged: StagedProcess) -> None:
        """Write shim.json before the process begins, so that none runs that is not on record."""
        write_json(
            self._files.shim,
            {
                "shim": Identity.of(os.getpid()).describe(),
                "process": {**staged.process.describe(), "pgid": staged.process.pid},
                "started_at": self._ending.started_at,
            },
        )
        self._files.environment.unlink(missing_ok=True)

    def _wait(self) -> None:
        """Return once the process has ended; if it was asked to, once its group has ended too or its grace is over."""
        while True:
            self._reap()
            self._handle_requests()
            if self._is_over():
                return
            self._memory.advance_window()
            signal.sigtimedwait(WAKING, self._seconds_to_wait())

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._process.pid:
                self._record_end(os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024)

    def _record_end(self, code: int, max_rss_bytes: int) -> None:
        self._has_ended = True
        self._ending.max_rss_bytes = max_rss_bytes
        if code >= 0:
            self._ending.exit_code = code
        else:
            self._ending.signal = -code
            self._ran_out_of_memory = -code == signal.SIGKILL and not self._was_asked and self._memory.has_struck()

    def _handle_requests(self) -> None:
        if self._has_ended and not self._was_asked:
            return
        request = read_json(self._files.terminate)
        if request is not None:
            self._ending.terminated = not self._ending.timed_out
            self._ask_to_end(request["grace_seconds"])
        elif time.monotonic() >= self._limit_at and not self._was_asked:
            self._ending.timed_out = True
            self._ask_to_end(self._launch["grace_seconds"])
        elif not self._files.path.exists():
            # Its end could not be recorded any more, so nobody waits for it.
            self._ask_to_end(0.0)
        if time.monotonic() >= self._kill_at:
            self._signal_group(signal.SIGKILL)

    def _ask_to_end(self, grace_seconds: float) -> None:
        self._kill_at = min(self._kill_at, time.monotonic() + grace_seconds)
        if not self._was_asked:
            self._was_asked = True
            # The launcher alone gets it: it ends its workers in its own order, and may save first.
            self._process.signal(signal.SIGTERM)
            # A stopped process would not see it.
            self._signal_group(signal.SIGCONT)
        elif self._has_ended and not self._group_was_asked:
            self._group_was_asked = True
            self._signal_group(signal.SIGTERM)

    def _is_over(self) -> bool:
        if not self._has_ended:
            return False
        return not self._was_asked or time.monotonic() >= self._kill_at or not group_members(self._process.pid)

    def _seconds_to_wait(self) -> float:
        now = time.monotonic()
        return min([POLL_SECONDS, *(at - now for at in (self._kill_at, self._limit_at) if at > now)])

    def _signal_group(self, number: int) -> None:
        for process in group_members(self._process.pid):
            process.identity.signal(number)

    def _outcome(self) -> dict[str, Any] | None:
        outcome = read_json(self._files.outcome)
        if isinstance(outcome, dict):
            return outcome
        if self._ran_out_of_memory:
            return {"reason": "oom", "message": "the machine ran out of memory, and the kernel ended the process"}
        return None


def _read(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} is missing or torn")
    return value


if __name__ == "__main__":
    main()
