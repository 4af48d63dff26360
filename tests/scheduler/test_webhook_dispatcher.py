"""Messages on their way to a real receiver."""

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from openai import OpenAI
from openai.types.webhooks import FineTuningJobSucceededWebhookEvent
from sqlalchemy import update

from finery.api.openai.webhook_events import EVENTS
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.status import RunStatus
from finery.contracts.webhooks import Delivery, MessageState, NewWebhook, RunEventType, WebhookWithSecret
from finery.db import Database
from finery.domain import runs, webhooks
from finery.domain.context import DomainContext
from finery.kit.checked_post import Poster
from finery.kit.clock import utc_now
from finery.kit.destinations import Destinations
from finery.kit.http_post import Answer, HttpPoster
from finery.kit.notifier import Notifier
from finery.models import WebhookRow
from finery.scheduler import webhook_dispatcher
from finery.scheduler.settings import SchedulerSettings
from finery.scheduler.webhook_dispatcher import AT_ONCE_TO_ONE, WebhookDispatcher
from tests import builders
from tests.receiver import LOOPBACK, Receiver, Reply

HERE = Destinations.parse([LOOPBACK])
TYPES = [*RunEventType, *EVENTS.types]


class Desk:
    """A dispatcher that works when it is told to, and whose clock stands still."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.context: DomainContext = replace(builders.context(home), destinations=HERE, webhook_renderers=(EVENTS,))
        self.now: datetime = utc_now()
        self.ahead = timedelta()
        """How far the clock is wrong; `now` includes it."""
        self.dispatcher = self.new_dispatcher()

    def new_dispatcher(self, poster: HttpPoster | None = None) -> WebhookDispatcher:
        poster = poster or Poster(self.context.destinations, seconds=5)
        settings = SchedulerSettings()
        return WebhookDispatcher(
            self.database, self.context, Notifier(), settings, poster=poster, now=lambda: self.now, uptime=self.uptime
        )

    def uptime(self) -> float:
        return (self.now - self.ahead).timestamp()

    def set_clock(self, by: timedelta) -> None:
        self.now += by
        self.ahead += by

    def webhook(self, url: str, **fields: object) -> WebhookWithSecret:
        new = NewWebhook.model_validate({"url": url, "event_types": TYPES, **fields})
        with self.database.write() as session:
            return webhooks.create(session, new, self.context, LOCAL_ADMINISTRATOR)

    def run(self, run_id: str, *statuses: RunStatus, source: str = "native") -> None:
        with self.database.write() as session:
            runs.create(session, builders.external(run_id, source=source), self.context, LOCAL_ADMINISTRATOR)
        for status in statuses:
            with self.database.write() as session:
                runs.report(session, run_id, status, None, LOCAL_ADMINISTRATOR)
        self.now = utc_now()

    def work(self) -> float:
        """One pass, until what it began has ended."""
        wait = self.dispatcher.work()
        self.dispatcher.stop()
        return wait

    def deliveries(self, webhook: WebhookWithSecret) -> list[Delivery]:
        """Oldest first."""
        with self.database.read() as session:
            page = webhooks.list_deliveries(session, webhook.id, LOCAL_ADMINISTRATOR, limit=200)
        return page.deliveries[::-1]

    def is_enabled(self, webhook: WebhookWithSecret) -> bool:
        with self.database.read() as session:
            return webhooks.get(session, webhook.id, LOCAL_ADMINISTRATOR).enabled


@pytest.fixture
def desk(database: Database, home: Path) -> Iterator[Desk]:
    """Nothing is under way any more when the database is closed."""
    yield Desk(database, home)
    for thread in threading.enumerate():
        if thread.name == "finery-webhook":
            thread.join(10)


class TestSending:
    def test_the_sdk_unwraps_it(self, desk: Desk) -> None:
        with Receiver() as receiver, OpenAI(api_key="none") as client:
            webhook = desk.webhook(receiver.url, event_types=["fine_tuning.job.succeeded"])
            desk.run("ftjob-1", RunStatus.RUNNING, RunStatus.SUCCEEDED, source="openai")
            desk.work()
            (received,) = receiver.received
            event = client.webhooks.unwrap(received.body, received.headers, secret=webhook.secret)
            with pytest.raises(ValueError, match="does not match"):
                client.webhooks.unwrap(received.body + b" ", received.headers, secret=webhook.secret)
        assert isinstance(event, FineTuningJobSucceededWebhookEvent)
        assert (event.data.id, event.object) == ("ftjob-1", "event")
        assert json.loads(received.body).keys() == {"id", "object", "created_at", "type", "data"}

    def test_as_the_specification_says(self, desk: Desk) -> None:
        with Receiver() as receiver:
            webhook = desk.webhook(receiver.url, event_types=["run.queued"])
            desk.run("작업")
            desk.work()
        (received,), (delivery,) = receiver.received, desk.deliveries(webhook)
        assert received.is_signed_with(webhook.secret)
        assert (received.id, received.body.decode()) == (delivery.id, delivery.payload)
        assert received.headers["webhook-timestamp"] == str(int(desk.now.timestamp()))
        assert received.headers["content-type"] == "application/json"
        assert received.headers["user-agent"].startswith("Finery/")
        assert (delivery.state, delivery.attempts[0].status_code) == (MessageState.DELIVERED, 200)

    def test_again_with_the_same_id_and_a_new_signature(self, desk: Desk) -> None:
        with Receiver(Reply(500), Reply(503), Reply(204, b"")) as receiver:
            webhook = desk.webhook(receiver.url, event_types=["run.queued"])
            desk.run("a")
            for _ in range(3):
                desk.work()
                desk.now += timedelta(minutes=6)
        (delivery,) = desk.deliveries(webhook)
        assert [each.status_code for each in delivery.attempts] == [500, 503, 204]
        assert delivery.state is MessageState.DELIVERED
        assert len({(each.id, each.body) for each in receiver.received}) == 1
        assert len({each.headers["webhook-timestamp"] for each in receiver.received}) == 3
        assert all(each.is_signed_with(webhook.secret) for each in receiver.received)

    def test_both_signatures_after_a_rotation(self, desk: Desk) -> None:
        with Receiver() as receiver:
            old = desk.webhook(receiver.url, event_types=["run.queued"])
            with desk.database.write() as session:
                new = webhooks.rotate_secret(session, old.id, desk.context, LOCAL_ADMINISTRATOR)
            desk.run("a")
            desk.work()
        (received,) = receiver.received
        assert received.is_signed_with(old.secret)
        assert received.is_signed_with(new.secret)
        assert len(received.headers["webhook-signature"].split(" ")) == 2

    def test_a_redirect_is_a_failure(self, desk: Desk) -> None:
        with Receiver() as target, Receiver(Reply(302, headers={"Location": target.url})) as receiver:
            webhook = desk.webhook(receiver.url, event_types=["run.queued"])
            desk.run("a")
            desk.work()
        (delivery,) = desk.deliveries(webhook)
        assert (delivery.state, target.received) == (MessageState.PENDING, [])
        assert delivery.attempts[0].error == "it answered 302: redirects are not followed"

    def test_gone_switches_it_off(self, desk: Desk) -> None:
        with Receiver(Reply(410)) as receiver:
            webhook = desk.webhook(receiver.url, event_types=["run.queued"])
            desk.run("a")
            desk.work()
            desk.run("b")
            desk.work()
        assert not desk.is_enabled(webhook)
        assert [each.state for each in desk.deliveries(webhook)] == [MessageState.FAILED]
        assert len(receiver.received) == 1

    def test_one_that_asks_for_time(self, desk: Desk) -> None:
        with Receiver(Reply(429, headers={"Retry-After": "120"}), Reply()) as receiver:
            webhook = desk.webhook(receiver.url, event_types=["run.queued"])
            desk.run("a")
            for _ in range(2):
                desk.work()
                desk.now += timedelta(seconds=119)
            assert len(receiver.received) == 1
            desk.now += timedelta(seconds=2)
            desk.work()
        assert desk.deliveries(webhook)[0].state is MessageState.DELIVERED

    def test_nobody_there(self, desk: Desk) -> None:
        with Receiver() as receiver:
            webhook = desk.webhook(receiver.url, event_types=["run.queued"])
        desk.run("a")
        desk.work()
        (delivery,) = desk.deliveries(webhook)
        assert delivery.next_attempt_at is not None
        assert "refused" in (delivery.attempts[0].error or "")
        assert (delivery.attempts[0].status_code, delivery.attempts[0].response) == (None, None)

    def test_a_name_that_leads_inside(self, desk: Desk) -> None:
        """Looked up at each attempt: one that was fine before is refused now."""
        with Receiver() as receiver:
            webhook = desk.webhook(f"http://hooks.example.org:{receiver.port}/", event_types=["run.queued"])
            desk.context = replace(desk.context, destinations=Destinations.parse(["127.0.0.1"]))
            answers = [["127.0.0.1"], ["127.0.0.2"]]
            poster = Poster(desk.context.destinations, seconds=5, resolver=lambda host, port: answers.pop(0))
            desk.dispatcher = desk.new_dispatcher(poster)
            desk.run("a")
            desk.work()
            desk.run("b")
            desk.work()
        first, second = desk.deliveries(webhook)
        assert (first.state, second.state) == (MessageState.DELIVERED, MessageState.PENDING)
        assert second.attempts[0].error == "its address is not allowed: 127.0.0.2 is loopback"
        assert len(receiver.received) == 1

    def test_a_lost_key(self, desk: Desk) -> None:
        with Receiver() as receiver:
            webhook = desk.webhook(receiver.url, event_types=["run.queued"])
            (desk.context.home.state / "secret.key").unlink()
            desk.run("a")
            desk.work()
        (delivery,) = desk.deliveries(webhook)
        assert (delivery.attempts[0].error or "").startswith("the signing secret cannot be read: ")
        assert receiver.received == []

    def test_a_replay(self, desk: Desk) -> None:
        with Receiver() as receiver:
            webhook = desk.webhook(receiver.url, event_types=["run.queued"])
            desk.run("a")
            desk.work()
            with desk.database.write() as session:
                webhooks.replay(session, webhook.id, receiver.received[0].id, LOCAL_ADMINISTRATOR)
            desk.now = utc_now()
            desk.work()
        assert len({(each.id, each.body) for each in receiver.wait_for(2)}) == 1

    def test_secrets_stay_inside(self, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        with Receiver(Reply(500)) as receiver:
            webhook = desk.webhook(receiver.url, event_types=["run.queued"])
            desk.run("a")
            desk.work()
        told = caplog.text + "".join(each.model_dump_json() for each in desk.deliveries(webhook))
        assert receiver.received
        assert webhook.secret.removeprefix("whsec_") not in told

    def test_a_retry_after_that_no_clock_shows(self, desk: Desk) -> None:
        date = "Mon, 1 Jan 999999999999 00:00:00 GMT"
        with Receiver(Reply(503, headers={"Retry-After": date})) as receiver:
            webhook = desk.webhook(receiver.url, event_types=["run.queued"])
            desk.run("a")
            desk.work()
        (delivery,) = desk.deliveries(webhook)
        assert [each.status_code for each in delivery.attempts] == [503]

    def test_what_nobody_foresaw_is_a_failed_attempt(self, desk: Desk) -> None:
        class Broken:
            def post(self, address: str, body: bytes, headers: object) -> Answer:
                raise RecursionError("too deep")

        desk.dispatcher = desk.new_dispatcher(Broken())
        webhook = desk.webhook("http://127.0.0.1:1/", event_types=["run.queued"])
        desk.run("a")
        desk.work()
        (delivery,) = desk.deliveries(webhook)
        assert [each.error for each in delivery.attempts] == ["it could not be sent: RecursionError"]
        assert delivery.next_attempt_at is not None
        assert delivery.next_attempt_at < desk.now + timedelta(minutes=1)

    def test_what_cannot_be_recorded_is_sent_again(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise OSError("the disk is full")

        with Receiver() as receiver:
            webhook = desk.webhook(receiver.url, event_types=["run.queued"])
            desk.run("a")
            with monkeypatch.context() as patch:
                patch.setattr(webhooks, "record", fail)
                desk.work()
            desk.work()
            assert len(receiver.received) == 1
            desk.now += timedelta(minutes=6)
            desk.work()
        assert len({each.id for each in receiver.wait_for(2)}) == 1
        assert desk.deliveries(webhook)[0].state is MessageState.DELIVERED


def _hold(handler: BaseHTTPRequestHandler) -> None:
    HELD.wait(20)
    handler.close_connection = True


HELD = threading.Event()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(webhook_dispatcher, "JOIN_SECONDS", 0.3)
    HELD.clear()
    yield
    HELD.set()


@pytest.mark.usefixtures("held")
class TestTurns:
    def test_a_slow_one_holds_up_nobody(self, desk: Desk) -> None:
        with Receiver(Reply(before=_hold)) as slow, Receiver() as quick:
            desk.webhook(slow.url, event_types=["run.queued"])
            webhook = desk.webhook(quick.url, event_types=["run.queued"])
            for number in range(8):
                desk.run(f"job-{number}")
            for _ in range(6):
                desk.work()
            quick.wait_for(8)
            assert len(slow.received) == AT_ONCE_TO_ONE
            assert {each.state for each in desk.deliveries(webhook)} == {MessageState.DELIVERED}
            HELD.set()
            desk.dispatcher.stop()

    def test_who_waited_longest_is_next(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(webhook_dispatcher, "AT_ONCE", AT_ONCE_TO_ONE)
        with Receiver() as first, Receiver() as second:
            for receiver in (first, second):
                desk.webhook(receiver.url, event_types=["run.queued"])
            for number in range(4):
                desk.run(f"job-{number}")
            counts = []
            for _ in range(4):
                desk.work()
                counts.append((len(first.received), len(second.received)))
        assert counts == [(2, 0), (2, 2), (4, 2), (4, 4)]

    def test_one_that_never_answers(self, desk: Desk) -> None:
        desk.dispatcher = desk.new_dispatcher(Poster(HERE, seconds=0.2))
        with Receiver(Reply(before=_hold)) as receiver:
            webhook = desk.webhook(receiver.url, event_types=["run.queued"])
            desk.run("a")
            desk.dispatcher.work()
            receiver.wait_for(1)
            while not (attempt := desk.deliveries(webhook)[0].attempts[0]).has_ended:
                desk.dispatcher.stop()
            HELD.set()
        assert attempt.error == "it did not answer within 0.2 s"

    def test_a_server_that_ends_meanwhile(self, desk: Desk) -> None:
        with Receiver(Reply(before=_hold), Reply()) as receiver:
            webhook = desk.webhook(receiver.url, event_types=["run.queued"])
            desk.run("a")
            desk.work()
            receiver.wait_for(1)
            desk.dispatcher = desk.new_dispatcher()
            desk.work()
            received = receiver.wait_for(2)
            assert len({each.id for each in received}) == 1
            assert desk.deliveries(webhook)[0].attempts[0].error == "the server ended before an answer came"
            HELD.set()


class TestWork:
    def test_how_long_it_may_wait(self, desk: Desk) -> None:
        idle = SchedulerSettings().idle_seconds
        assert desk.work() == idle
        with Receiver(Reply(500)) as receiver:
            desk.webhook(receiver.url, event_types=["run.queued"])
            desk.run("a")
            desk.work()
            assert desk.work() == idle
            desk.now += timedelta(seconds=4)
            assert 0.2 <= desk.work() <= idle
            desk.now += timedelta(seconds=3)
            desk.work()
        assert len(receiver.received) == 2

    def test_events_without_a_webhook_are_done_with(self, desk: Desk) -> None:
        desk.run("a", RunStatus.RUNNING, RunStatus.SUCCEEDED)
        desk.work()
        with desk.database.read() as session:
            assert not webhooks.has_undelivered(session)

    def test_what_is_old_goes(self, desk: Desk) -> None:
        with Receiver() as receiver:
            webhook = desk.webhook(receiver.url, event_types=["run.queued"])
            desk.run("a")
            desk.work()
            desk.now += timedelta(days=31)
            desk.work()
        assert desk.deliveries(webhook) == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
class TestClock:
    """A clock that was ahead when an attempt was booked, and is put right."""

    @pytest.mark.parametrize("by", [timedelta(hours=1), timedelta(days=3650)])
    @pytest.mark.parametrize("restarted", [False, True])
    def test_a_retry_comes_when_it_would_have_come(self, desk: Desk, by: timedelta, restarted: bool) -> None:
        with Receiver(Reply(500)) as receiver:
            desk.webhook(receiver.url)
            desk.run("r")
            desk.work()
            desk.set_clock(by)
            desk.work()
            assert len(receiver.received) == 2
            # The next is booked five minutes ahead, by the wrong clock.
            desk.set_clock(-by)
            if restarted:
                desk.dispatcher = desk.new_dispatcher()
            desk.now += timedelta(minutes=4)
            desk.work()
            assert len(receiver.received) == 2
            desk.now += timedelta(minutes=7)
            desk.work()
            assert len(receiver.received) == 3

    def test_a_webhook_that_was_made_ahead_of_time_is_told(self, desk: Desk) -> None:
        with Receiver() as receiver:
            webhook = desk.webhook(receiver.url)
            with desk.database.write() as session:
                session.execute(update(WebhookRow).values(created_at=utc_now() + timedelta(days=3650)))
            desk.run("r")
            desk.work()
            assert [one.state for one in desk.deliveries(webhook)] == [MessageState.DELIVERED]
