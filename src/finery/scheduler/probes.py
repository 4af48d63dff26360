"""Probes of running engines: one that is stopped or stuck keeps its process, but answers no request."""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from finery.domain.deployments import LiveDeployment

TIMEOUT_SECONDS = 5.0
FEWEST_FAILURES = 3
"""In a row. The time of silence alone proves nothing: this machine may have slept."""


@dataclass
class _ProbeState:
    attempt: int
    """Which start of the engine it is about."""
    answered_at: float
    """Monotonic seconds."""
    probed_at: float
    failures: int = 0
    is_under_way: bool = False


class Probes:
    """Probes in threads of their own, since the loop that watches all engines must not wait for one that hangs."""

    def __init__(
        self,
        answers: Callable[[LiveDeployment, float], bool],
        *,
        every_seconds: float,
        silence_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`answers(deployment, seconds)` returns whether the engine answers within so many seconds."""
        self._answers = answers
        self._every_seconds = every_seconds
        self._silence_seconds = silence_seconds
        self._clock = clock
        self._states: dict[str, _ProbeState] = {}

    def is_hung(self, live: LiveDeployment) -> bool:
        """Returns at once whether the engine has been silent for too long. Starts the next probe when it is due."""
        state, now = self._states.get(live.deployment.id), self._clock()
        if state is None or state.attempt != live.attempt:
            state = self._states[live.deployment.id] = _ProbeState(live.attempt, answered_at=now, probed_at=now)
        if not state.is_under_way and now - state.probed_at >= self._every_seconds:
            state.is_under_way, state.probed_at = True, now
            threading.Thread(target=self._probe, args=(live, state), name="finery-probe", daemon=True).start()
        return state.failures >= FEWEST_FAILURES and now - state.answered_at >= self._silence_seconds

    def keep_only(self, ids: Collection[str]) -> None:
        for deployment_id in self._states.keys() - set(ids):
            del self._states[deployment_id]

    def _probe(self, live: LiveDeployment, state: _ProbeState) -> None:
        try:
            answers = self._answers(live, min(TIMEOUT_SECONDS, self._every_seconds))
            state.failures = 0 if answers else state.failures + 1
            if answers:
                state.answered_at = self._clock()
        finally:
            state.is_under_way = False
