"""What engines are asked and how soon they answer, counted while their answers pass by."""

import re
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from finery.http.latencies import Histogram

TAIL_BYTES = 4096
"""Of an answer's end, where its usage stands."""
TOKEN = re.compile(rb'"(?:content|text|arguments|reasoning_content)":\s*"(?!")')
"""A stream's first event may say whose turn it is, with no text yet."""
TOLD = re.compile(rb'"(prompt_tokens|completion_tokens)":\s*(\d{1,12})\b')


def is_stream(media_type: str) -> bool:
    return media_type.startswith("text/event-stream")


@dataclass
class EngineMetrics:
    """Changed in the event loop alone."""

    waiting: int = 0
    """Requests that nothing has come back for yet."""
    answering: int = 0
    tokens: dict[str, int] = field(default_factory=lambda: {"prompt": 0, "completion": 0})
    """As the engines tell them; a stream tells where `stream_options.include_usage` asks for it. One that does not is
    taken to bring a token with each event."""
    first_token: Histogram = field(default_factory=Histogram)
    """Of streams, in seconds."""

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
        """The same pieces."""
        async for chunk in chunks:
            if self._state == "waiting":
                self._answer_begins()
            if is_stream:
                self._note_token(chunk)
                self._events += chunk.count(b"data: ")
            self._tail = (self._tail + chunk)[-TAIL_BYTES:] if len(chunk) < TAIL_BYTES else chunk[-TAIL_BYTES:]
            yield chunk

    def take(self, answer: bytes) -> None:
        """A whole one."""
        self._answer_begins()
        self._tail = answer[-TAIL_BYTES:]

    def end(self) -> None:
        """However it ended; the second time nothing."""
        if self._state == "waiting":
            self._metrics.waiting -= 1
        elif self._state == "answering":
            self._metrics.answering -= 1
            self._count_tokens()
        self._state = "ended"

    def _answer_begins(self) -> None:
        self._state = "answering"
        self._metrics.waiting -= 1
        self._metrics.answering += 1

    def _note_token(self, chunk: bytes) -> None:
        if not self._has_token and TOKEN.search(chunk):
            self._has_token = True
            self._metrics.first_token.add(time.perf_counter() - self._began)

    def _count_tokens(self) -> None:
        told: Mapping[bytes, bytes] = dict(TOLD.findall(self._tail))
        # The last event says that it was the last.
        completion = told.get(b"completion_tokens", max(0, self._events - 1))
        self._metrics.tokens["completion"] += int(completion)
        self._metrics.tokens["prompt"] += int(told.get(b"prompt_tokens", 0))
