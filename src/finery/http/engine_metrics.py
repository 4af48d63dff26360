"""Counts requests to engines, tokens and the time to the first token, while the answers pass through."""

import re
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from finery.http.latencies import Histogram

TAIL_BYTES = 4096
"""How much of an answer's end is kept, where its usage is."""
TOKEN = re.compile(rb'"(?:content|text|arguments|reasoning_content)":\s*"(?!")')
"""Finds text: a stream's first event may hold the role alone."""
USAGE = re.compile(rb'"(prompt_tokens|completion_tokens)":\s*(\d{1,12})\b')

EVENT_STREAM = "text/event-stream"


@dataclass
class EngineMetrics:
    """Counters that only the event loop changes."""

    waiting: int = 0
    """Requests whose answer has not begun."""
    answering: int = 0
    tokens: dict[str, int] = field(default_factory=lambda: {"prompt": 0, "completion": 0})
    """As the engines report them. A stream reports them where `stream_options.include_usage` asks for it; any other is
    taken to bring a token with each event."""
    first_token: Histogram = field(default_factory=Histogram)
    """Seconds to the first token of streams."""

    def begin(self) -> "Exchange":
        self.waiting += 1
        return Exchange(self)


class Exchange:
    """One request to an engine, from its sending to its answer's end."""

    def __init__(self, metrics: EngineMetrics) -> None:
        self._metrics = metrics
        self._began = time.perf_counter()
        self._events = 0
        self._has_token = False
        self._tail = b""
        self._state = "waiting"

    async def watch(self, chunks: AsyncIterator[bytes], *, is_stream: bool) -> AsyncIterator[bytes]:
        """Yields the same pieces, and counts."""
        async for chunk in chunks:
            if self._state == "waiting":
                self._begin_answer()
            if is_stream:
                self._time_first_token(chunk)
                self._events += chunk.count(b"data: ")
            self._tail = (self._tail + chunk)[-TAIL_BYTES:] if len(chunk) < TAIL_BYTES else chunk[-TAIL_BYTES:]
            yield chunk

    def take(self, answer: bytes) -> None:
        """Count an answer that came as a whole."""
        self._begin_answer()
        self._tail = answer[-TAIL_BYTES:]

    def end(self) -> None:
        """Call it however the exchange ended; a second call does nothing."""
        if self._state == "waiting":
            self._metrics.waiting -= 1
        elif self._state == "answering":
            self._metrics.answering -= 1
            self._count_tokens()
        self._state = "ended"

    def _begin_answer(self) -> None:
        self._state = "answering"
        self._metrics.waiting -= 1
        self._metrics.answering += 1

    def _time_first_token(self, chunk: bytes) -> None:
        if not self._has_token and TOKEN.search(chunk):
            self._has_token = True
            self._metrics.first_token.add(time.perf_counter() - self._began)

    def _count_tokens(self) -> None:
        usage: Mapping[bytes, bytes] = dict(USAGE.findall(self._tail))
        # The last event, `[DONE]`, has no token.
        completion = usage.get(b"completion_tokens", max(0, self._events - 1))
        self._metrics.tokens["completion"] += int(completion)
        self._metrics.tokens["prompt"] += int(usage.get(b"prompt_tokens", 0))
