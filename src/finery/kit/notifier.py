"""A wake-up call between threads: who waits is told that something changed that concerns them, never what."""

import threading
from collections.abc import Callable

Topics = frozenset[str]
Listener = Callable[[Topics | None], None]


class Notifier:
    """`notify` after a commit, with its topics; loops wait on a subscription to theirs, streams `listen`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._subscriptions: list[Subscription] = []
        self._listeners: set[Listener] = set()

    @property
    def count(self) -> int:
        """How often `notify` was called."""
        return self._count

    def notify(self, topics: Topics | None = None) -> None:
        """Wake those whom one of `topics` concerns; None concerns all."""
        with self._lock:
            self._count += 1
            subscriptions, listeners = list(self._subscriptions), list(self._listeners)
        for subscription in subscriptions:
            subscription.take(topics)
        for listener in listeners:
            listener(topics)

    def subscribe(self, topics: Topics | None = None) -> "Subscription":
        """None: to all."""
        subscription = Subscription(topics)
        with self._lock:
            self._subscriptions.append(subscription)
        return subscription

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` (quick, from any thread) at each pulse; what is returned takes it off again."""
        with self._lock:
            self._listeners.add(listener)

        def leave() -> None:
            with self._lock:
                self._listeners.discard(listener)

        return leave


class Subscription:
    """One waiter's. A pulse that comes while nobody waits is kept for the next `wait`."""

    def __init__(self, topics: Topics | None) -> None:
        self._topics = topics
        self._came = threading.Event()

    def take(self, topics: Topics | None) -> None:
        if topics is None or self._topics is None or not self._topics.isdisjoint(topics):
            self._came.set()

    def clear(self) -> None:
        """Forget what has come. Call it before a look at the state, so that what changes meanwhile is not missed."""
        self._came.clear()

    def wait(self, timeout: float) -> bool:
        """Return at the first pulse that has come since `clear`, or after `timeout` seconds: then False."""
        return self._came.wait(timeout)
