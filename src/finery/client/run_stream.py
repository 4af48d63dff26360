"""Follows a run's event stream without a gap or a repeat, across broken connections and server restarts."""

import time
from collections.abc import Iterator

from finery.client.errors import FineryError, ServerUnreachable
from finery.client.responses import EventList
from finery.client.sse import read_messages
from finery.client.transport import Transport, api_path
from finery.contracts.events import EVENT, Event, StatusEvent
from finery.contracts.run import Run

# The server sends a heartbeat every 15 s: three missing ones mean that the connection is dead.
SILENCE_SECONDS = 45.0
FIRST_DELAY, LAST_DELAY = 0.2, 2.0


def follow(transport: Transport, run_id: str, *, after: int, reconnect_seconds: float) -> Iterator[Event]:
    """Yields the events after sequence number `after` until the run has finished.

    It waits `reconnect_seconds` for a server that goes away after it was reached once.
    """
    # The sequence number of the last event that was yielded: where the next connection goes on.
    seen, reached, delay = after, False, FIRST_DELAY
    lost_since = time.monotonic()
    while True:
        try:
            for event in _events_from(transport, run_id, seen):
                reached, seen, delay = True, event.sequence, FIRST_DELAY
                lost_since = time.monotonic()
                yield event
                if isinstance(event, StatusEvent) and event.data.to.is_finished:
                    return
            # The stream ended without a final event: only the run itself tells whether more is to come.
            run = transport.get(Run, api_path("runs", run_id))
            if run.status.is_finished and run.last_sequence <= seen:
                return
            reached, lost_since = True, time.monotonic()
        except (ServerUnreachable, FineryError) as error:
            if _is_final(error) or not reached or time.monotonic() - lost_since > reconnect_seconds:
                raise
        time.sleep(delay)
        delay = min(delay * 2, LAST_DELAY)


def _events_from(transport: Transport, run_id: str, seen: int) -> Iterator[Event]:
    """Yields the new events of one connection in order, and fetches what the stream skips."""
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(seen)}
    path = api_path("runs", run_id, "events", "stream")
    with transport.stream("GET", path, headers=headers, read_timeout=SILENCE_SECONDS) as answer:
        for message in read_messages(answer.iter_bytes()):
            if not message.id:
                continue
            event = EVENT.validate_json(message.data)
            for earlier in _missing(transport, run_id, seen, event.sequence):
                seen = earlier.sequence
                yield earlier
            if event.sequence > seen:
                seen = event.sequence
                yield event


def _missing(transport: Transport, run_id: str, seen: int, upcoming: int) -> Iterator[Event]:
    """Yields the stored events between the sequence numbers `seen` and `upcoming`."""
    path = api_path("runs", run_id, "events")
    while upcoming > seen + 1:
        page = transport.get(EventList, path, {"after": seen, "limit": upcoming - seen - 1})
        for event in page.events:
            if seen < event.sequence < upcoming:
                seen = event.sequence
                yield event
        if not page.events:
            return


def _is_final(error: ServerUnreachable | FineryError) -> bool:
    # Another try may succeed once the rate limit (429) has passed; any other refusal stays one.
    return isinstance(error, FineryError) and error.is_refusal and error.status != 429
