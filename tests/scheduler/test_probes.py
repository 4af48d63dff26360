import threading
import time

import pytest

from finery.contracts.deployment import Deployment, DeploymentDetails, DeploymentStatus, EngineOptions
from finery.domain.deployments import LiveDeployment
from finery.kit.clock import utc_now
from finery.scheduler.probes import FEWEST_FAILURES, TIMEOUT_SECONDS, Probes
from tests.clock import Clock

SILENCE = 60.0


def live(attempt: int = 1) -> LiveDeployment:
    deployment = Deployment(
        id="dep-1",
        owner_id=None,
        shared=False,
        slot=None,
        model_name="m",
        model="/m",
        engine="transformers",
        options=EngineOptions(),
        status=DeploymentStatus.RUNNING,
        error=None,
        port=1,
        device="cpu",
        log_file="",
        created_at=utc_now(),
        started_at=None,
        finished_at=None,
    )
    return LiveDeployment(
        deployment=deployment,
        token="t",
        handle=None,
        stop_requested=False,
        attempt=attempt,
        restart_at=None,
        since=utc_now(),
        details=DeploymentDetails(),
    )


class Rig:
    def __init__(self) -> None:
        self.clock = Clock()
        self.answers = True
        self.asked = 0
        self.probes = Probes(self._ask, every_seconds=5.0, silence_seconds=SILENCE, clock=self.clock)

    def _ask(self, one: LiveDeployment, seconds: float) -> bool:
        assert seconds == TIMEOUT_SECONDS
        self.asked += 1
        return self.answers

    def wait(self, seconds: float, attempt: int = 1) -> bool:
        """Looks each second; whether it was hung at the last one."""
        hung = False
        for _ in range(int(seconds)):
            self.clock.now += 1.0
            hung = self.look(attempt)
        return hung

    def look(self, attempt: int = 1) -> bool:
        hung = self.probes.is_hung(live(attempt))
        for thread in threading.enumerate():
            if thread.name == "finery-probe":
                thread.join()
        return hung


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.look()
    return rig


class TestIsHung:
    def test_who_answers_is_asked_now_and_then(self, rig: Rig) -> None:
        assert not rig.wait(600)
        assert rig.asked == 120

    def test_who_is_silent_for_long_enough(self, rig: Rig) -> None:
        rig.wait(30)
        rig.answers = False
        assert not rig.wait(SILENCE - 5)
        assert rig.wait(10)

    def test_an_answer_in_between_begins_anew(self, rig: Rig) -> None:
        rig.answers = False
        rig.wait(SILENCE - 5)
        rig.answers = True
        rig.wait(5)
        rig.answers = False
        assert not rig.wait(SILENCE - 5)

    def test_a_machine_that_slept_is_no_hang(self, rig: Rig) -> None:
        """Nor a server that was stopped: nobody has asked meanwhile."""
        rig.clock.now += 3600
        rig.answers = False
        assert not rig.look()
        assert rig.wait(5 * FEWEST_FAILURES)

    def test_the_next_start_is_not_blamed(self, rig: Rig) -> None:
        rig.answers = False
        assert rig.wait(SILENCE + 10)
        assert not rig.wait(SILENCE - 5, attempt=2)

    def test_one_that_takes_its_time_holds_nobody_and_is_not_asked_twice(self) -> None:
        clock, release, asked = Clock(), threading.Event(), []

        def ask(one: LiveDeployment, seconds: float) -> bool:
            asked.append(one)
            return release.wait(30)

        probes = Probes(ask, every_seconds=5.0, silence_seconds=SILENCE, clock=clock)
        began = time.monotonic()
        for _ in range(10):
            assert not probes.is_hung(live())
            clock.now += 5.0
        assert time.monotonic() - began < 10
        release.set()
        assert len(asked) == 1
