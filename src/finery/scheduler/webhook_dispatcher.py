"""The webhooks loop: turns events into messages to the webhooks that want them, and sends those."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from finery import __version__
from finery.db import Database
from finery.domain import webhooks
from finery.domain.context import DomainContext
from finery.domain.webhooks import Dispatch, Outcome
from finery.kit.clock import ClockStepDetector, utc_now
from finery.kit.failpoints import failpoint
from finery.kit.http_post import HttpPoster, PostFailed
from finery.kit.notifier import Notifier
from finery.kit.processes import uptime
from finery.kit.secretbox import KeyUnusable, Undecipherable
from finery.scheduler.settings import SchedulerSettings

log = logging.getLogger(__name__)

SECONDS = 15.0
"""For a whole attempt to send."""
AT_ONCE = 16
AT_ONCE_TO_ONE = 2
BATCH = 200
SHORTEST_WAIT = 0.2
PRUNE_EVERY = timedelta(hours=1)
JOIN_SECONDS = 2.0


class WebhookDispatcher:
    """Sends each message at least once, always under the same id.

    A few are under way at once, two of them at most to one webhook. The webhook that waited longest is next, so that
    one which answers slowly does not hold up the others.
    """

    def __init__(
        self,
        database: Database,
        context: DomainContext,
        notifier: Notifier,
        settings: SchedulerSettings,
        *,
        poster: HttpPoster | None = None,
        now: Callable[[], datetime] = utc_now,
        uptime: Callable[[], float] = uptime,
    ) -> None:
        self._database = database
        self._context = context
        self._notifier = notifier
        self._settings = settings
        self._poster = poster
        self._now = now
        self._clock_steps = ClockStepDetector(now, uptime)
        self._has_resumed = False
        self._prune_at = now()
        self._lock = threading.Lock()
        self._under_way: Counter[int] = Counter()
        self._served: dict[int, int] = {}
        self._threads: set[threading.Thread] = set()

    def work(self) -> float:
        if not self._has_resumed:
            with self._database.write() as session:
                webhooks.resume(session, self._now())
            self._has_resumed = True
        self._adjust_to_clock()
        self._fan_out()
        for number, limit in self._next_webhooks():
            for dispatch in self._claim(number, limit):
                self._start(dispatch)
        self._prune()
        return self._wait()

    def stop(self) -> None:
        """Wait a little for what is under way, once the loop has ended; the next server sends again what is left."""
        deadline = time.monotonic() + JOIN_SECONDS
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _adjust_to_clock(self) -> None:
        by = self._clock_steps.backward_step()
        if by:
            log.warning("the clock was put back by %s; what was booked by it comes that much earlier", by)
            self._prune_at -= by
            with self._database.write() as session:
                webhooks.put_back(session, self._now(), by)

    def _fan_out(self) -> None:
        while True:
            with self._database.read() as session:
                if not webhooks.has_undelivered(session):
                    return
            with self._database.write() as session:
                self._context.live.lease.check(session)
                count = webhooks.fan_out(session, self._context, limit=BATCH)
            failpoint("webhooks.fanned_out")
            if count < BATCH:
                return

    def _next_webhooks(self) -> list[tuple[int, int]]:
        """Returns the webhooks with a message that is due, and how many may be sent to each now."""
        with self._database.read() as session:
            due = webhooks.due_webhooks(session, self._now())
        with self._lock:
            left = AT_ONCE - self._under_way.total()
            chosen = []
            for number in sorted(due, key=lambda number: self._served.get(number, 0)):
                limit = min(left, AT_ONCE_TO_ONE - self._under_way[number])
                if limit > 0:
                    left -= limit
                    self._served[number] = max(self._served.values(), default=0) + 1
                    chosen.append((number, limit))
        return chosen

    def _claim(self, number: int, limit: int) -> list[Dispatch]:
        with self._database.write() as session:
            self._context.live.lease.check(session)
            return webhooks.claim(session, number, self._now(), limit=limit)

    def _start(self, dispatch: Dispatch) -> None:
        thread = threading.Thread(target=self._deliver, args=(dispatch,), name="finery-webhook", daemon=True)
        with self._lock:
            self._under_way[dispatch.webhook_number] += 1
            self._threads.add(thread)
        thread.start()

    def _deliver(self, dispatch: Dispatch) -> None:
        try:
            failpoint("webhooks.claimed")
            outcome = self._attempt(dispatch)
            failpoint("webhooks.sent")
            with self._database.write() as session:
                webhooks.record(session, dispatch, outcome, self._now())
        except Exception:
            log.exception("message %s could not be looked after; it is sent again later", dispatch.message_id)
        finally:
            with self._lock:
                self._under_way[dispatch.webhook_number] -= 1
                self._threads.discard(threading.current_thread())
            self._notifier.notify()

    def _attempt(self, dispatch: Dispatch) -> Outcome:
        began = time.monotonic()
        try:
            answer = self._open_poster().post(dispatch.url, dispatch.body, self._headers(dispatch))
        except PostFailed as error:
            return Outcome(error=str(error), milliseconds=_milliseconds_since(began))
        except (Undecipherable, KeyUnusable, OSError) as error:
            return Outcome(error=f"the signing secret cannot be read: {error}")
        except Exception as error:
            # It counts as an attempt: unrecorded, it would be made again and again without end.
            log.exception("message %s could not be sent", dispatch.message_id)
            error_type = type(error).__name__
            return Outcome(error=f"it could not be sent: {error_type}", milliseconds=_milliseconds_since(began))
        return Outcome(
            status=answer.status,
            error=_error_of(answer.status),
            excerpt=answer.excerpt,
            retry_after=answer.retry_after,
            milliseconds=_milliseconds_since(began),
        )

    def _open_poster(self) -> HttpPoster:
        # A server without webhooks need not import an HTTP client.
        from finery.kit.checked_post import Poster

        if self._poster is None:
            self._poster = Poster(self._context.destinations, seconds=SECONDS)
        return self._poster

    def _headers(self, dispatch: Dispatch) -> dict[str, str]:
        timestamp = int(self._now().timestamp())
        secrets = [self._context.secrets.decrypt(token) for token in dispatch.secrets]
        return {
            "webhook-id": dispatch.message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": webhooks.signature_header(secrets, dispatch.message_id, timestamp, dispatch.body),
            "Content-Type": "application/json",
            "User-Agent": f"Finery/{__version__}",
        }

    def _prune(self) -> None:
        now = self._now()
        if now < self._prune_at:
            return
        with self._database.write() as session:
            removed = webhooks.prune(session, now)
        if removed == 0:
            self._prune_at = now + PRUNE_EVERY

    def _wait(self) -> float:
        """Returns the seconds until a webhook that can take a message has one due. Ended deliveries wake the loop,
        too."""
        with self._lock:
            is_full = self._under_way.total() >= AT_ONCE
            busy = [number for number, count in self._under_way.items() if count >= AT_ONCE_TO_ONE]
        with self._database.read() as session:
            due = None if is_full else webhooks.next_due(session, without=busy)
        if due is None:
            return self._settings.idle_seconds
        return min(max((due - self._now()).total_seconds(), SHORTEST_WAIT), self._settings.idle_seconds)


def _error_of(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"it answered {status}: redirects are not followed"
    return f"it answered {status}"


def _milliseconds_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
