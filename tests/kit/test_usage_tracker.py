import threading
from concurrent.futures import ThreadPoolExecutor

from finery.kit.usage_tracker import UsageTracker
from tests.clock import Clock


class TestIdleSeconds:
    def test_counts_from_the_end_of_the_last_use(self) -> None:
        clock = Clock()
        things = UsageTracker(clock)
        assert things.begin("a")
        assert things.begin("a")
        clock.now += 50
        things.end("a")
        assert things.idle_seconds("a") == 0.0
        things.end("a")
        clock.now += 5
        assert things.idle_seconds("a") == 5.0
        assert things.touch("a")
        assert things.idle_seconds("a") == 0.0

    def test_of_what_was_never_heard_of_from_then_on(self) -> None:
        clock = Clock()
        things = UsageTracker(clock)
        assert things.idle_seconds("a") == 0.0
        clock.now += 7
        assert things.idle_seconds("a") == 7.0


class TestRetire:
    def test_nobody_begins_after_it(self) -> None:
        clock = Clock()
        things = UsageTracker(clock)
        things.touch("a")
        assert not things.retire("a", 10)
        clock.now += 10
        assert things.retire("a", 10)
        assert things.retire("a", 10)
        assert not things.begin("a")
        assert not things.touch("a")
        things.revive("a")
        assert things.begin("a")

    def test_not_while_somebody_uses_it(self) -> None:
        clock = Clock()
        things = UsageTracker(clock)
        things.begin("a")
        clock.now += 1000
        assert not things.retire("a", 10)

    def test_of_many_at_once_either_all_begin_or_it_is_retired(self) -> None:
        for _ in range(50):
            begun, retired = race()
            assert begun == [not retired] * 2


def race() -> tuple[list[bool], bool]:
    things, barrier = UsageTracker(), threading.Barrier(3)

    def begin(_: int) -> bool:
        barrier.wait()
        return things.begin("a")

    with ThreadPoolExecutor(2) as pool:
        begun = pool.map(begin, range(2))
        barrier.wait()
        retired = things.retire("a", 0.0)
        return list(begun), retired


class TestTakeUses:
    def test_each_use_is_told_once(self) -> None:
        things = UsageTracker()
        things.touch("a")
        things.idle_seconds("b")
        assert things.take_uses().keys() == {"a"}
        assert things.take_uses() == {}
        things.begin("a")
        things.end("a")
        assert things.take_uses().keys() == {"a"}

    def test_what_is_forgotten_is_not_told(self) -> None:
        things = UsageTracker()
        things.touch("a")
        things.forget("a")
        assert things.take_uses() == {}
