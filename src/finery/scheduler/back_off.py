"""While the machine is short of something, nothing is started: later, and less and less often, it is tried again."""

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
    """One episode of shortage: it begins with the first start that met one, and is over with the first that did not.

    Each episode has one line in the log at its beginning and one at its end.
    """

    def __init__(self, probe: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        """`probe` raises OSError while it is of no use to try: a try takes a claim, and shows in the run's events."""
        self._probe = probe
        self._clock = clock
        self._began = 0.0
        self._tries = 0
        self._next = 0.0
        self._told: set[str] = set()

    def begin(self, what: str, why: str) -> str | None:
        """The start of `what` ("run 4f1c") met a shortage. What to tell its user; None when they were told in this
        episode."""
        if self._tries == 0:
            self._began = self._clock()
            log.warning("%s waits, as every start does now: %s", what, why)
        self._wait_longer()
        if what in self._told:
            return None
        self._told.add(what)
        return f"it waits until the machine has what a start needs: {why}"

    def end(self) -> None:
        """A start went well."""
        if self._tries:
            log.info("starts go well again after %.0f s and %d tries", self._clock() - self._began, self._tries)
        self._tries = 0
        self._told.clear()

    def seconds(self) -> float:
        """For how long nothing should be started; 0: it may be tried now."""
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
    """What could not be started for now, and is put back: nothing of it has begun, so that it has not failed.

    Where that, too, needs what the machine lacks, it stays owed, and a later pass settles it.
    """

    def __init__(self, back_off: BackOff) -> None:
        self._back_off = back_off
        self._owed: dict[str, Callable[[], None]] = {}

    def __bool__(self) -> bool:
        """Whether any is owed."""
        return bool(self._owed)

    def put_back(self, what: str, why: str, undo: Callable[[str | None], None]) -> None:
        """`undo` undoes the claim of `what` ("run 4f1c"), given what its user is to be told (see `begin`)."""
        told = self._back_off.begin(what, why.partition("\n")[0])
        self._owed[what] = lambda: undo(told)
        self.settle(what)

    def settle(self, what: str) -> bool:
        """Whether it was owed. Raises what undoing it raises."""
        if what not in self._owed:
            return False
        self._owed[what]()
        del self._owed[what]
        return True

    def settle_all(self) -> None:
        for what in list(self._owed):
            self.settle(what)


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
