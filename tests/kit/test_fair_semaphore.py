import threading
import time

from finery.kit.fair_semaphore import FairSemaphore, Permit

LONG = 30.0


def waiting(semaphore: FairSemaphore, count: int, order: list[int]) -> list[threading.Thread]:
    """Threads that came one after the other, each of which notes when it is let in."""

    def wait(number: int, is_waiting: threading.Event) -> None:
        is_waiting.set()
        permit = semaphore.acquire(LONG)
        assert permit is not None
        order.append(number)
        semaphore.release(permit)

    threads = []
    for number in range(count):
        is_waiting = threading.Event()
        threads.append(threading.Thread(target=wait, args=(number, is_waiting)))
        threads[-1].start()
        assert is_waiting.wait(LONG)
        until(lambda expected=number + 1: semaphore.waiting == expected)  # type: ignore[misc]
    return threads


def until(condition: object) -> None:
    deadline = time.monotonic() + LONG
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.001)


def held(semaphore: FairSemaphore) -> Permit:
    permit = semaphore.acquire(0.0)
    assert permit is not None
    return permit


class TestAcquire:
    def test_first_come_first_served(self) -> None:
        semaphore, order = FairSemaphore(1), list[int]()
        permit = held(semaphore)
        threads = waiting(semaphore, 20, order)
        semaphore.release(permit)
        for thread in threads:
            thread.join(LONG)
        assert order == list(range(20))

    def test_as_many_as_there_are_permits(self) -> None:
        semaphore = FairSemaphore(2)
        first, _second = held(semaphore), held(semaphore)
        assert semaphore.acquire(0.0) is None
        semaphore.release(first)
        assert semaphore.acquire(0.0) is not None

    def test_who_gave_up_is_passed_over(self) -> None:
        semaphore = FairSemaphore(1)
        permit = held(semaphore)
        assert semaphore.acquire(0.01) is None
        semaphore.release(permit)
        assert semaphore.acquire(0.0) is not None

    def test_a_permit_that_comes_too_late_is_not_lost(self) -> None:
        """Between time-outs and releases at the same moment, one permit stays one."""
        semaphore, inside, most = FairSemaphore(1), [], [0]

        def work() -> None:
            for _ in range(200):
                if (permit := semaphore.acquire(0.0005)) is not None:
                    inside.append(1)
                    most[0] = max(most[0], len(inside))
                    inside.pop()
                    semaphore.release(permit)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert most == [1]
        assert semaphore.acquire(0.0) is not None


class TestLongestHeld:
    def test_of_the_oldest(self) -> None:
        semaphore = FairSemaphore(2)
        assert semaphore.longest_held() == 0.0
        first = held(semaphore)
        held(semaphore)
        age = semaphore.longest_held()
        assert age > 0.0
        semaphore.release(first)
        assert semaphore.longest_held() > 0.0
