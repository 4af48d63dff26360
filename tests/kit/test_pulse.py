import threading

from finery.kit.pulse import Pulse

A, B = frozenset({"a"}), frozenset({"b"})


class TestSubscription:
    def test_hears_of_its_topics_alone(self) -> None:
        pulse = Pulse()
        subscription = pulse.subscribe(A)
        pulse.notify(B)
        assert not subscription.wait(0.0)
        pulse.notify(A | B)
        assert subscription.wait(0.0)

    def test_what_concerns_all_concerns_it(self) -> None:
        pulse = Pulse()
        subscription = pulse.subscribe(A)
        pulse.notify()
        assert subscription.wait(0.0)

    def test_of_everything(self) -> None:
        pulse = Pulse()
        subscription = pulse.subscribe()
        pulse.notify(A)
        assert subscription.wait(0.0)

    def test_what_comes_before_the_wait_is_kept_until_cleared(self) -> None:
        pulse = Pulse()
        subscription = pulse.subscribe(A)
        pulse.notify(A)
        assert subscription.wait(0.0)
        subscription.clear()
        assert not subscription.wait(0.0)

    def test_wakes_who_waits(self) -> None:
        pulse = Pulse()
        subscription = pulse.subscribe(A)
        woken = threading.Event()
        waiter = threading.Thread(target=lambda: subscription.wait(30.0) and woken.set())
        waiter.start()
        pulse.notify(A)
        waiter.join(30.0)
        assert woken.is_set()


class TestListen:
    def test_hears_all_topics_until_it_leaves(self) -> None:
        pulse, heard = Pulse(), []
        leave = pulse.listen(heard.append)
        pulse.notify(A)
        pulse.notify()
        leave()
        pulse.notify(B)
        assert heard == [A, None]
        assert pulse.count == 3
