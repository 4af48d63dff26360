import pytest

from finery.kit.failure_cache import FIRST_SECONDS, LASTING_SECONDS, MOST_KEPT, MOST_SECONDS, FailureCache
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def failures(clock: Clock) -> FailureCache:
    return FailureCache(clock)


class TestFind:
    def test_what_lasts_is_known_for_long(self, failures: FailureCache, clock: Clock) -> None:
        failures.note("a", "no tensors", is_lasting=True)
        clock.now += LASTING_SECONDS - 60
        found = failures.find("a")
        assert found is not None
        assert (found.reason, found.is_lasting, found.seconds) == ("no tensors", True, 60.0)
        clock.now += 60
        assert failures.find("a") is None
        assert failures.find("b") is None

    def test_what_may_pass_pauses_longer_each_time(self, failures: FailureCache, clock: Clock) -> None:
        pauses = []
        for _ in range(6):
            failures.note("a", "killed", is_lasting=False)
            found = failures.find("a")
            assert found is not None
            pauses.append(found.seconds)
            clock.now += found.seconds
            assert failures.find("a") is None
        assert pauses == [FIRST_SECONDS, 10.0, 20.0, 40.0, MOST_SECONDS, MOST_SECONDS]

    def test_a_success_forgets_it(self, failures: FailureCache) -> None:
        failures.note("a", "killed", is_lasting=False)
        failures.forget("a")
        failures.forget("never")
        assert failures.find("a") is None

    def test_the_oldest_go_first(self, failures: FailureCache) -> None:
        for number in range(MOST_KEPT + 1):
            failures.note(str(number), "x", is_lasting=True)
        assert failures.find("0") is None
        assert failures.find("1") is not None
