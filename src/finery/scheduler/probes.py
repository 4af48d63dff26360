"""Whether running engines answer: one that is stopped or stuck still has its process, and takes requests for ever."""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from finery.domain.deployments import LiveDeployment

TIMEOUT_SECONDS = 5.0
FEWEST_FAILURES = 3
"""In a row: what is silent since long before may be this machine, which slept."""


@dataclass
class _Heard:
    """Of one start of an engine."""

    attempt: int
    at: float
    """When it answered last, on the monotonic clock."""
    asked_at: float
    failures: int = 0
    is_asked: bool = False


class Probes:
    """Asks in threads of their own, since the loop that minds all engines must not wait for one that hangs."""

    def __init__(
        self,
        ask: Callable[[LiveDeployment, float], bool],
        *,
        every_seconds: float,
        silence_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ask`: whether it answers within so many seconds."""
        self._ask = ask
        self._every_seconds = every_seconds
        self._silence_seconds = silence_seconds
        self._clock = clock
        self._heard: dict[str, _Heard] = {}

    def is_hung(self, one: LiveDeployment) -> bool:
        """Whether it has been silent for too long. Asks it again when that is due, and returns at once."""
        heard, now = self._heard.get(one.deployment.id), self._clock()
        if heard is None or heard.attempt != one.attempt:
            heard = self._heard[one.deployment.id] = _Heard(one.attempt, at=now, asked_at=now)
        if not heard.is_asked and now - heard.asked_at >= self._every_seconds:
            heard.is_asked, heard.asked_at = True, now
            threading.Thread(target=self._probe, args=(one, heard), name="finery-probe", daemon=True).start()
        return heard.failures >= FEWEST_FAILURES and now - heard.at >= self._silence_seconds

    def keep_only(self, ids: Collection[str]) -> None:
        for deployment_id in self._heard.keys() - set(ids):
            del self._heard[deployment_id]

    def _probe(self, one: LiveDeployment, heard: _Heard) -> None:
        try:
            answers = self._ask(one, min(TIMEOUT_SECONDS, self._every_seconds))
            heard.failures = 0 if answers else heard.failures + 1
            if answers:
                heard.at = self._clock()
        finally:
            heard.is_asked = False
