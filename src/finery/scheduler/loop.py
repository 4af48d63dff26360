"""Runs a function again and again in a thread of its own, when a notification comes or some seconds have passed."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from finery.domain.server_lease import LeaseLost
from finery.kit.notifier import Notifier
from finery.scheduler.failure_log import FailureLog

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
BUSY_SHARE = 4
"""A loop rests so many times as long as its pass took: when changes come in a storm, looking at them takes a fifth of
its thread's time, and the requests that bring them get the rest."""
LONGEST_REST_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 5.0
"""Not longer: when the database is back, what became of the runs meanwhile should be seen soon."""


@contextmanager
def isolated(subject: str, failure_log: FailureLog) -> Iterator[None]:
    """Log what goes wrong with one run, so that the pass goes on with the others; the next pass tries it again.

    A database that does not answer concerns all of them, and ends the pass.
    """
    try:
        yield
    except (SQLAlchemyError, LeaseLost):
        raise
    except Exception as error:  # noqa: BLE001 - the loop's edge: whatever is wrong, the others are looked after
        failure_log.failed(subject, error)
    else:
        failure_log.went_well(subject)


class Loop:
    """Runs `work` until it is stopped. `work` returns how many seconds it may wait for the next pass.

    A pass that raises is logged, and tried again after a second, and less often when it goes on: the database still has
    what it left undone, so that the next pass finds it.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], float],
        notifier: Notifier,
        *,
        rest: float,
        topics: frozenset[str] | None = None,
    ) -> None:
        """At least `rest` seconds pass between two passes, so that many notifications at once cost one pass; more after
        a pass that took long, see BUSY_SHARE. `topics` wake it; None: all do."""
        self._name = name
        self._work = work
        self._changes = notifier.subscribe(topics)
        self._rest = rest
        self._stopping = threading.Event()
        self._failure_log = FailureLog(log)
        self._thread = threading.Thread(target=self._run, name=f"finery-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the pass that is under way; the caller notifies once to cut the wait short."""
        self._stopping.set()

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._changes.clear()
            began = time.monotonic()
            wait = self._pass()
            took = time.monotonic() - began
            if not self._stopping.wait(max(self._rest, min(BUSY_SHARE * took, LONGEST_REST_SECONDS))):
                self._changes.wait(wait)

    def _pass(self) -> float:
        subject = f"the {self._name} loop"
        try:
            wait = self._work()
        except LeaseLost:
            # The server is about to end; it says so itself.
            self._stopping.set()
            return 0.0
        except Exception as error:  # noqa: BLE001 - the thread's edge: a loop that ends is never started again
            failures = self._failure_log.failed(subject, error)
            # No notification cuts this short: on a machine that is short of something many come, and each pass costs.
            self._stopping.wait(min(RETRY_SECONDS * 2 ** min(failures - 1, 10), LONGEST_RETRY_SECONDS))
            return 0.0
        self._failure_log.went_well(subject)
        return wait
