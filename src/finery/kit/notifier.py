"""Wakes waiting threads and streams after commits that concern their topics."""

import threading
from collections.abc import Callable

Topics = frozenset[str]
Listener = Callable[[Topics | None], None]


class Notifier:
    """Is notified after each commit with its topics. Loops wait on a subscription; streams register a listener."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._subscriptions: list[Subscription] = []
        self._listeners: set[Listener] = set()

    @property
    def count(self) -> int:
        """Number of calls of `notify`."""
        return self._count

    def notify(self, topics: Topics | None = None) -> None:
        """Wakes the subscribers of `topics`; None: all. They learn that something changed, not what."""
        with self._lock:
            self._count += 1
            subscriptions, listeners = list(self._subscriptions), list(self._listeners)
        for subscription in subscriptions:
            subscription.take(topics)
        for listener in listeners:
            listener(topics)

    def subscribe(self, topics: Topics | None = None) -> "Subscription":
        """Subscribes to `topics`; None: to all."""
        subscription = Subscription(topics)
        with self._lock:
            self._subscriptions.append(subscription)
        return subscription

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener` at each notification, from any thread; it must be quick. Returns a function to remove it."""
        with self._lock:
            self._listeners.add(listener)

        def remove() -> None:
            with self._lock:
                self._listeners.discard(listener)

        return remove


class Subscription:
    """The subscription of one waiter. A notification while it does not wait is kept for the next `wait`."""

    def __init__(self, topics: Topics | None) -> None:
        self._topics = topics
        self._came = threading.Event()

    def take(self, topics: Topics | None) -> None:
        if topics is None or self._topics is None or not self._topics.isdisjoint(topics):
            self._came.set()

    def clear(self) -> None:
        """Forgets notifications. Call it before reading the state, so that no later change is missed."""
        self._came.clear()

    def wait(self, timeout: float) -> bool:
        """Waits for a notification since `clear`; returns False after `timeout` seconds without one."""
        return self._came.wait(timeout)
