"""A run's events as they happen, without a gap or a repeat, across broken connections and server restarts."""

import time
from collections.abc import Iterator

from finery.client.errors import FineryError, ServerUnreachable
from finery.client.responses import EventList
from finery.client.sse import read_messages
from finery.client.transport import PREFIX, Transport
from finery.contracts.events import EVENT, Event, StatusEvent
from finery.contracts.run import Run

# The server sends a heartbeat every 15 s: three missing ones mean that the connection is dead.
SILENCE_SECONDS = 45.0
FIRST_DELAY, LAST_DELAY = 0.2, 2.0


def follow(transport: Transport, run_path: str, *, after: int, retry: float) -> Iterator[Event]:
    """Yields the events after sequence number `after` until the run has finished.

    A server that goes away after it was reached once is waited for `retry` seconds.
    """
    seen, reached, delay = after, False, FIRST_DELAY
    lost_since = time.monotonic()
    while True:
        try:
            for event in _events_from(transport, run_path, seen):
                reached, seen, delay = True, event.sequence, FIRST_DELAY
                lost_since = time.monotonic()
                yield event
                if ends_run(event):
                    return
            if _is_over(transport, run_path, seen):
                return
            reached, lost_since = True, time.monotonic()
        except (ServerUnreachable, FineryError) as error:
            if _is_final(error) or not reached or time.monotonic() - lost_since > retry:
                raise
        time.sleep(delay)
        delay = min(delay * 2, LAST_DELAY)


def ends_run(event: Event) -> bool:
    return isinstance(event, StatusEvent) and event.data.to.is_finished


def _events_from(transport: Transport, run_path: str, seen: int) -> Iterator[Event]:
    """One connection's worth of new events, in order; what the stream skips is fetched."""
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(seen)}
    path = f"{PREFIX}{run_path}/events/stream"
    with transport.stream("GET", path, headers=headers, read_timeout=SILENCE_SECONDS) as answer:
        for message in read_messages(answer.iter_bytes()):
            if not message.id:
                continue
            event = EVENT.validate_json(message.data)
            for earlier in _missing(transport, run_path, seen, event.sequence):
                seen = earlier.sequence
                yield earlier
            if event.sequence > seen:
                seen = event.sequence
                yield event


def _missing(transport: Transport, run_path: str, seen: int, upcoming: int) -> Iterator[Event]:
    while upcoming > seen + 1:
        page = transport.get(EventList, f"{PREFIX}{run_path}/events", {"after": seen, "limit": upcoming - seen - 1})
        for event in page.events:
            if seen < event.sequence < upcoming:
                seen = event.sequence
                yield event
        if not page.events:
            return


def _is_over(transport: Transport, run_path: str, seen: int) -> bool:
    """The stream ended without a word: only the run itself can tell whether more is to come."""
    run = transport.get(Run, f"{PREFIX}{run_path}")
    return run.status.is_finished and run.last_sequence <= seen


def _is_final(error: ServerUnreachable | FineryError) -> bool:
    return isinstance(error, FineryError) and error.is_refusal and error.status != 429
