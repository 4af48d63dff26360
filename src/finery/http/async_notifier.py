"""Lets coroutines wait for notifications of committed changes."""

import asyncio
from collections.abc import Callable

from finery.kit.notifier import Listener, Notifier, Topics


class AsyncNotifier:
    """Between `attach` and `detach`, each notification sets the events of its topics."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._changed = asyncio.Event()
        self._by_topic: dict[str, asyncio.Event] = {}
        self._listeners: set[Listener] = set()
        self._leave: Callable[[], None] | None = None

    @property
    def changed(self) -> asyncio.Event:
        """The event of the next notification, whatever its topics.

        Take it, look at the state, then wait for it: what happens meanwhile is not missed.
        """
        return self._changed

    def changed_in(self, topic: str) -> asyncio.Event:
        """Returns the event of the next notification about `topic`."""
        return self._by_topic.setdefault(topic, asyncio.Event())

    def forget(self, topic: str) -> None:
        """Drop a topic that nobody waits for any more."""
        self._by_topic.pop(topic, None)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener` in the event loop at each notification. Returns a function to remove it."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def attach(self) -> None:
        """Call it in the event loop whose coroutines wait."""
        loop = asyncio.get_running_loop()

        def wake(topics: Topics | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._fire, topics)

        self._leave = self._notifier.listen(wake)

    def detach(self) -> None:
        if self._leave is not None:
            self._leave()
            self._leave = None

    def _fire(self, topics: Topics | None) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
        for listener in list(self._listeners):
            listener(topics)
        concerned = list(self._by_topic) if topics is None else topics & self._by_topic.keys()
        for topic in concerned:
            self._by_topic.pop(topic).set()


async def wait_for_change(changed: asyncio.Event, seconds: float) -> bool:
    """Returns False when nothing changed within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return False
    return True
