"""The pulse, for coroutines."""

import asyncio
from collections.abc import Callable

from finery.kit.pulse import Pulse


class AsyncPulse:
    """Between `attach` and `detach`, each pulse sets the event that `changed` was when it came."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._changed = asyncio.Event()
        self._leave: Callable[[], None] | None = None

    @property
    def changed(self) -> asyncio.Event:
        """Take it, look at the state, then wait for it: what happens meanwhile is not missed."""
        return self._changed

    def attach(self) -> None:
        """In the event loop whose coroutines wait."""
        loop = asyncio.get_running_loop()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._fire)

        self._leave = self._pulse.listen(wake)

    def detach(self) -> None:
        if self._leave is not None:
            self._leave()
            self._leave = None

    def _fire(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def wait_for_change(changed: asyncio.Event, seconds: float) -> bool:
    """False when nothing changed in time."""
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return False
    return True
