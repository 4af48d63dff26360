"""Exponential back-off of all starts while the machine is short of memory, disk, processes or descriptors."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 60.0
PROBED_BYTES = 1 << 20
PROBED_DESCRIPTORS = 16


class BackOff:
    """An episode of shortage begins with the first start that meets one, and ends with the first that does not.

    It has one line in the log at its beginning and one at its end.
    """

    def __init__(self, probe: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        """`probe` raises OSError while a start would fail: each real one takes a claim, and shows in the run's events.

        `clock` gives seconds.
        """
        self._probe = probe
        self._clock = clock
        self._began = 0.0
        self._tries = 0
        self._next = 0.0
        self._notified: set[str] = set()

    def begin(self, subject: str, why: str) -> str | None:
        """Note that the start of `subject` ("run 4f1c") met a shortage.

        Returns the message for its user; None when they had it in this episode.
        """
        if self._tries == 0:
            self._began = self._clock()
            log.warning("%s waits, as every start does now: %s", subject, why)
        self._wait_longer()
        if subject in self._notified:
            return None
        self._notified.add(subject)
        return f"it waits until the machine has what a start needs: {why}"

    def end(self) -> None:
        """Note that a start went well."""
        if self._tries:
            log.info("starts go well again after %.0f s and %d tries", self._clock() - self._began, self._tries)
        self._tries = 0
        self._notified.clear()

    def seconds(self) -> float:
        """Returns for how many seconds nothing should be started; 0: it may be tried now."""
        if self._tries == 0:
            return 0.0
        if self._clock() >= self._next:
            try:
                self._probe()
            except OSError:
                self._wait_longer()
        return max(0.0, self._next - self._clock())

    def _wait_longer(self) -> None:
        self._next = self._clock() + min(FIRST_SECONDS * 2**self._tries, LONGEST_SECONDS)
        # Beyond the longest wait, counting on makes only the power larger.
        self._tries += 1


class PutBacks:
    """Undoes the claims of what could not be started for now; it has not failed, since nothing of it has begun.

    Undoing a claim may need what the machine lacks, too. Then it stays pending, and a later pass settles it.
    """

    def __init__(self, back_off: BackOff) -> None:
        self._back_off = back_off
        self._pending: dict[str, Callable[[], None]] = {}

    def __bool__(self) -> bool:
        return bool(self._pending)

    def put_back(self, subject: str, why: str, undo: Callable[[str | None], None]) -> None:
        """`undo` undoes the claim of `subject`, given the message for its user (see `begin`)."""
        message = self._back_off.begin(subject, why.partition("\n")[0])
        self._pending[subject] = lambda: undo(message)
        self.settle(subject)

    def settle(self, subject: str) -> bool:
        """Returns whether `subject` was pending. Raises what undoing its claim raises."""
        if subject not in self._pending:
            return False
        self._pending[subject]()
        del self._pending[subject]
        return True

    def settle_all(self) -> None:
        for subject in list(self._pending):
            self.settle(subject)


def probe(folder: Path) -> None:
    """Take for a moment what a start takes: some space in `folder`, some descriptors. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"probe-{os.getpid()}"
    opened = []
    try:
        opened = [os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)]
        os.posix_fallocate(opened[0], 0, PROBED_BYTES)
        for _ in range(PROBED_DESCRIPTORS):
            opened.append(os.dup(opened[0]))
    finally:
        for descriptor in opened:
            os.close(descriptor)
        path.unlink(missing_ok=True)
