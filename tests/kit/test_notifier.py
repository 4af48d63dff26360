import threading

from finery.kit.notifier import Notifier

A, B = frozenset({"a"}), frozenset({"b"})


class TestSubscription:
    def test_hears_of_its_topics_alone(self) -> None:
        notifier = Notifier()
        subscription = notifier.subscribe(A)
        notifier.notify(B)
        assert not subscription.wait(0.0)
        notifier.notify(A | B)
        assert subscription.wait(0.0)

    def test_what_concerns_all_concerns_it(self) -> None:
        notifier = Notifier()
        subscription = notifier.subscribe(A)
        notifier.notify()
        assert subscription.wait(0.0)

    def test_of_everything(self) -> None:
        notifier = Notifier()
        subscription = notifier.subscribe()
        notifier.notify(A)
        assert subscription.wait(0.0)

    def test_what_comes_before_the_wait_is_kept_until_cleared(self) -> None:
        notifier = Notifier()
        subscription = notifier.subscribe(A)
        notifier.notify(A)
        assert subscription.wait(0.0)
        subscription.clear()
        assert not subscription.wait(0.0)

    def test_wakes_who_waits(self) -> None:
        notifier = Notifier()
        subscription = notifier.subscribe(A)
        woken = threading.Event()
        waiter = threading.Thread(target=lambda: subscription.wait(30.0) and woken.set())
        waiter.start()
        notifier.notify(A)
        waiter.join(30.0)
        assert woken.is_set()


class TestListen:
    def test_hears_all_topics_until_it_leaves(self) -> None:
        notifier, heard = Notifier(), []
        leave = notifier.listen(heard.append)
        notifier.notify(A)
        notifier.notify()
        leave()
        notifier.notify(B)
        assert heard == [A, None]
        assert notifier.count == 3
