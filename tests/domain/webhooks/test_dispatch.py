from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from finery.contracts.accounts import UserChanges
from finery.contracts.permissions import Level, Principal, permissions_of
from finery.contracts.status import RunStatus
from finery.contracts.webhook_events import EventBody
from finery.contracts.webhooks import Delivery, MessageState, NewWebhook, WebhookChanges
from finery.db import Database
from finery.domain import accounts, runs, webhooks
from finery.domain.context import DomainContext
from finery.domain.cursors import BadCursor
from finery.domain.webhooks import Dispatch, Outcome
from finery.domain.webhooks.dispatch import delay_after
from finery.domain.webhooks.errors import DeliveryNotFound, WebhookDisabled
from finery.kit.clock import utc_now
from finery.models import OutboxRow, WebhookMessageRow, WebhookRow
from tests import builders

OK = Outcome(status=200, excerpt="ok", milliseconds=12)
BAD = Outcome(status=500, error="it answered 500", excerpt="oh\0", milliseconds=3)
DEAD = Outcome(error="refused", milliseconds=1)
SECOND = timedelta(seconds=1)


class Post:
    """A webhook, its messages, and what a sender does with them."""

    def __init__(self, database: Database, context: DomainContext, actor: Principal) -> None:
        self.database, self.context, self.actor = database, context, actor
        with database.write() as session:
            new = NewWebhook(url="https://hooks.example.org/", event_types=["run.queued"])
            self.webhook = webhooks.create(session, new, context, actor)
        with database.read() as session:
            self.number = session.scalars(select(WebhookRow.number)).one()

    def news(self, *run_ids: str) -> list[Delivery]:
        """A message for each run."""
        for run_id in run_ids:
            with self.database.write() as session:
                runs.create(session, builders.external(run_id), self.context, self.actor)
        with self.database.write() as session:
            webhooks.fan_out(session, self.context, limit=1000)
        return self.deliveries()[::-1]

    def deliveries(self) -> list[Delivery]:
        with self.database.read() as session:
            return webhooks.list_deliveries(session, self.webhook.id, self.actor, limit=100).deliveries

    def claim(self, now: datetime, *, limit: int = 10) -> list[Dispatch]:
        with self.database.write() as session:
            return webhooks.claim(session, self.number, now, limit=limit)

    def record(self, dispatch: Dispatch, outcome: Outcome, now: datetime) -> None:
        with self.database.write() as session:
            webhooks.record(session, dispatch, outcome, now, draw=lambda: 0.0)

    def change(self, **fields: object) -> None:
        with self.database.write() as session:
            webhooks.change(session, self.webhook.id, WebhookChanges(**fields), self.context, self.actor)  # type: ignore[arg-type]

    def replay(self, message_id: str) -> Delivery:
        with self.database.write() as session:
            return webhooks.replay(session, self.webhook.id, message_id, self.actor)

    def test(self, sample: EventBody | None = None) -> Delivery:
        with self.database.write() as session:
            return webhooks.send_test(session, self.webhook.id, self.actor, sample)

    @property
    def due(self) -> Callable[[datetime], list[int]]:
        def look(now: datetime) -> list[int]:
            with self.database.read() as session:
                return webhooks.due_webhooks(session, now)

        return look


@pytest.fixture
def post(database: Database, context: DomainContext, ann: Principal) -> Post:
    return Post(database, context, ann)


class TestClaim:
    def test_what_is_needed_to_send_it(self, post: Post, context: DomainContext) -> None:
        (delivery,) = post.news("가")
        now = utc_now()
        (dispatch,) = post.claim(now)
        assert (dispatch.message_id, dispatch.url) == (delivery.id, "https://hooks.example.org/")
        assert (dispatch.body.decode(), dispatch.attempt) == (delivery.payload, 1)
        assert [context.secrets.decrypt(each) for each in dispatch.secrets] == [post.webhook.secret]
        assert dispatch.secrets[0] not in repr(dispatch)

    def test_once(self, post: Post) -> None:
        post.news("a", "b", "c")
        now = utc_now()
        assert post.due(now) == [post.number]
        assert [len(post.claim(now, limit=2)) for _ in range(3)] == [2, 1, 0]
        assert post.due(now) == []

    def test_the_oldest_first(self, post: Post) -> None:
        made = post.news("a", "b", "c")
        assert [each.message_id for each in post.claim(utc_now())] == [each.id for each in made]

    def test_nothing_of_one_that_is_off(self, post: Post) -> None:
        post.news("a")
        with post.database.write() as session:
            session.execute(update(WebhookRow).values(enabled=False))
        assert post.claim(utc_now()) == []
        assert [each.state for each in post.deliveries()] == [MessageState.CANCELLED]

    @pytest.mark.parametrize(
        ("scope", "changes"), [("mine", {"is_active": False}), ("all", {"levels": [Level.RESEARCHER]})]
    )
    def test_nothing_when_its_owner_may_no_more(self, post: Post, scope: str, changes: dict[str, Any]) -> None:
        """Whatever is tried again belongs to a time when they might."""
        owner = post.actor.user_id or ""
        with post.database.write() as session:
            accounts.update_user(session, owner, UserChanges(levels=[Level.LEAD]))
            session.execute(update(WebhookRow).values(scope=scope))
        post.actor = replace(post.actor, permissions=permissions_of([Level.LEAD]))
        post.news("a", "b")
        now = utc_now()
        post.record(post.claim(now, limit=1)[0], BAD, now)
        with post.database.write() as session:
            accounts.update_user(session, owner, UserChanges(**changes))
        later = now + timedelta(days=1)
        assert post.due(later) == [post.number]
        assert post.claim(later) == []
        assert post.due(later) == []
        assert [each.state for each in post.deliveries()] == [MessageState.CANCELLED] * 2

    def test_both_secrets_for_a_day(self, post: Post, context: DomainContext) -> None:
        post.news("a", "b")
        with post.database.write() as session:
            rotated = webhooks.rotate_secret(session, post.webhook.id, context, post.actor)
        now = utc_now()
        (soon,) = post.claim(now, limit=1)
        assert [context.secrets.decrypt(each) for each in soon.secrets] == [rotated.secret, post.webhook.secret]
        (late,) = post.claim(now + timedelta(hours=24, seconds=1), limit=1)
        assert [context.secrets.decrypt(each) for each in late.secrets] == [rotated.secret]

    def test_after_the_claim_has_run_out(self, post: Post) -> None:
        post.news("a")
        now = utc_now()
        (first,) = post.claim(now)
        assert post.claim(now + timedelta(minutes=4, seconds=59)) == []
        (second,) = post.claim(now + timedelta(minutes=5, seconds=1))
        post.record(first, DEAD, now)
        (delivery,) = post.deliveries()
        assert (delivery.state, second.attempt) == (MessageState.PENDING, 2)
        assert delivery.next_attempt_at == now + timedelta(minutes=10, seconds=1)
        assert [each.error for each in delivery.attempts] == ["refused", None]


class TestRecord:
    def test_delivered(self, post: Post) -> None:
        post.news("a")
        now = utc_now()
        post.record(post.claim(now)[0], OK, now)
        (delivery,) = post.deliveries()
        assert (delivery.state, delivery.next_attempt_at) == (MessageState.DELIVERED, None)
        (attempt,) = delivery.attempts
        assert (attempt.number, attempt.at, attempt.status_code, attempt.error) == (1, now, 200, None)
        assert (attempt.response, attempt.milliseconds) == ("ok", 12)

    def test_tried_ten_times_then_failed(self, post: Post) -> None:
        post.news("a")
        now, waits = utc_now(), []
        while post.deliveries()[0].state is MessageState.PENDING:
            (dispatch,) = post.claim(now)
            post.record(dispatch, BAD, now)
            due = post.deliveries()[0].next_attempt_at
            if due is not None:
                waits.append((due - now).total_seconds())
                assert post.claim(due - SECOND) == []
                now = due
        assert waits == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
        (delivery,) = post.deliveries()
        assert delivery.state is MessageState.FAILED
        assert [each.number for each in delivery.attempts] == list(range(1, 11))
        assert {(each.status_code, each.error, each.response) for each in delivery.attempts} == {
            (500, "it answered 500", "oh�")
        }

    def test_a_retry_after(self, post: Post) -> None:
        post.news("a")
        now = utc_now()
        post.record(post.claim(now)[0], Outcome(status=503, error="it answered 503", retry_after=600.0), now)
        assert post.deliveries()[0].next_attempt_at == now + timedelta(minutes=10)

    def test_gone_switches_it_off(self, post: Post, ann: Principal) -> None:
        post.news("a", "b", "c")
        now = utc_now()
        first, under_way = post.claim(now, limit=2)
        post.record(first, Outcome(status=410, error="it answered 410"), now)
        with post.database.read() as session:
            webhook = webhooks.get(session, post.webhook.id, ann)
        assert (webhook.enabled, webhook.disabled_reason) == (False, "its receiver answered 410 Gone")
        states = [each.state for each in post.deliveries()][::-1]
        assert states == [MessageState.FAILED, MessageState.CANCELLED, MessageState.CANCELLED]
        post.record(under_way, DEAD, now)
        assert [each.state for each in post.deliveries()][::-1] == states
        assert post.due(now + timedelta(days=9)) == []

    def test_what_was_under_way_when_it_was_switched_off(self, post: Post) -> None:
        post.news("a")
        now = utc_now()
        (dispatch,) = post.claim(now)
        post.change(enabled=False)
        post.record(dispatch, OK, now)
        assert post.deliveries()[0].state is MessageState.DELIVERED

    def test_of_a_webhook_that_is_gone(self, post: Post) -> None:
        post.news("a")
        now = utc_now()
        (dispatch,) = post.claim(now)
        with post.database.write() as session:
            webhooks.delete(session, post.webhook.id, post.actor)
        post.record(dispatch, OK, now)
        with post.database.read() as session:
            assert session.scalar(select(func.count()).select_from(WebhookMessageRow)) == 0

    def test_an_endless_error(self, post: Post) -> None:
        post.news("a")
        now = utc_now()
        post.record(post.claim(now)[0], Outcome(error="x" * 5000), now)
        assert post.deliveries()[0].attempts[0].error == "x" * 1000


class TestReplay:
    def test_the_same_message_again(self, post: Post) -> None:
        post.news("a")
        now = utc_now()
        (first,) = post.claim(now)
        post.record(first, OK, now)
        delivery = post.replay(first.message_id)
        assert (delivery.state, len(delivery.attempts)) == (MessageState.PENDING, 1)
        (second,) = post.claim(utc_now())
        assert (second.message_id, second.body, second.attempt) == (first.message_id, first.body, 2)

    def test_a_failed_one_has_all_its_attempts_anew(self, post: Post) -> None:
        post.news("a")
        now = utc_now()
        for _ in range(10):
            (dispatch,) = post.claim(now)
            post.record(dispatch, DEAD, now)
            now += timedelta(days=2)
        assert post.deliveries()[0].state is MessageState.FAILED
        post.replay(dispatch.message_id)
        (dispatch,) = post.claim(now)
        assert dispatch.attempt == 11
        post.record(dispatch, DEAD, now)
        assert post.deliveries()[0].next_attempt_at == now + timedelta(seconds=5)

    def test_while_it_is_under_way(self, post: Post) -> None:
        post.news("a")
        now = utc_now()
        (first,) = post.claim(now)
        post.replay(first.message_id)
        (second,) = post.claim(utc_now())
        post.record(second, OK, now)
        post.record(first, DEAD, now)
        (delivery,) = post.deliveries()
        assert delivery.state is MessageState.DELIVERED
        assert [each.error for each in delivery.attempts] == ["refused", None]

    def test_not_while_it_is_off(self, post: Post) -> None:
        (delivery,) = post.news("a")
        post.change(enabled=False)
        assert post.deliveries()[0].state is MessageState.CANCELLED
        with pytest.raises(WebhookDisabled):
            post.replay(delivery.id)
        post.change(enabled=True)
        assert post.replay(delivery.id).state is MessageState.PENDING

    @pytest.mark.parametrize("message_id", ["msg_none", "a b"])
    def test_what_is_not_there(self, post: Post, message_id: str) -> None:
        with pytest.raises(DeliveryNotFound):
            post.replay(message_id)

    def test_another_webhooks(self, post: Post, database: Database, context: DomainContext) -> None:
        (delivery,) = post.news("a")
        with database.write() as session:
            other = webhooks.create(session, NewWebhook(url="https://b.example/"), context, post.actor)
        with database.read() as session, pytest.raises(DeliveryNotFound):
            webhooks.get_delivery(session, other.id, delivery.id, post.actor)


class TestSendTest:
    def test_is_tried_once(self, post: Post) -> None:
        made = post.test()
        assert (made.type, made.state) == ("webhook.test", MessageState.PENDING)
        now = utc_now()
        (dispatch,) = post.claim(now)
        post.record(dispatch, BAD, now)
        assert post.deliveries()[0].state is MessageState.FAILED

    def test_a_sample(self, post: Post) -> None:
        made = post.test(EventBody("some.type", {"이름": 1}))
        assert (made.type, made.payload) == ("some.type", '{"이름":1}')

    def test_not_while_it_is_off(self, post: Post) -> None:
        post.change(enabled=False)
        with pytest.raises(WebhookDisabled):
            post.test()


class TestListDeliveries:
    def test_pages(self, post: Post, ann: Principal) -> None:
        ids = [each.id for each in post.news("a", "b", "c", "d", "e")]
        found: list[str] = []
        cursor = None
        while True:
            with post.database.read() as session:
                page = webhooks.list_deliveries(session, post.webhook.id, ann, limit=2, cursor=cursor)
            found += [each.id for each in page.deliveries]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert found == ids[::-1]

    def test_by_state(self, post: Post, ann: Principal) -> None:
        post.news("a", "b")
        now = utc_now()
        first, _ = post.claim(now)
        post.record(first, OK, now)
        with post.database.read() as session:
            page = webhooks.list_deliveries(session, post.webhook.id, ann, limit=9, state=MessageState.DELIVERED)
        assert [each.id for each in page.deliveries] == [first.message_id]

    @pytest.mark.parametrize("cursor", ["x", "-1", "9" * 19, "１"])
    def test_a_cursor_of_ones_own(self, post: Post, ann: Principal, cursor: str) -> None:
        with post.database.read() as session, pytest.raises(BadCursor):
            webhooks.list_deliveries(session, post.webhook.id, ann, limit=2, cursor=cursor)


class TestResume:
    def test_what_was_under_way_is_due_again(self, post: Post) -> None:
        post.news("a", "b")
        now = utc_now()
        first, second = post.claim(now)
        post.record(first, OK, now)
        with post.database.write() as session:
            webhooks.resume(session, utc_now())
        (again,) = post.claim(now)
        assert (again.message_id, again.attempt) == (second.message_id, 2)
        attempts = post.deliveries()[0].attempts
        assert [each.error for each in attempts] == ["the server ended before an answer came", None]


class TestNextDue:
    def test_of_those_that_can_take_one(self, post: Post) -> None:
        with post.database.read() as session:
            assert webhooks.next_due(session) is None
        (delivery,) = post.news("a")
        with post.database.read() as session:
            assert webhooks.next_due(session) == delivery.created_at
            assert webhooks.next_due(session, without=[post.number]) is None


class TestPrune:
    def test_what_is_old_and_done(self, post: Post, ann: Principal) -> None:
        post.news("a", "b")
        with post.database.write() as session:
            runs.report(session, "a", RunStatus.SUCCEEDED, None, ann)
        now = utc_now()
        first, _ = post.claim(now)
        post.record(first, OK, now)
        for days, left, news in ((6, 2, 3), (8, 2, 1), (29, 2, 1), (31, 1, 1)):
            with post.database.write() as session:
                webhooks.prune(session, now + timedelta(days=days))
            with post.database.read() as session:
                assert len(post.deliveries()) == left
                assert session.scalar(select(func.count()).select_from(OutboxRow)) == news
        assert post.deliveries()[0].state is MessageState.PENDING


SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
WAITS = [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]


class TestDelayAfter:
    def test_nine_more_then_never(self) -> None:
        assert [delay_after(failures, None, lambda: 0.0) for failures in range(1, 11)] == [*WAITS, None]

    def test_up_to_a_fifth_is_added(self) -> None:
        assert delay_after(2, None, lambda: 1.0) == 6 * MINUTE

    @pytest.mark.parametrize(
        ("asked", "delay"),
        [(0.0, 5 * SECOND), (3.0, 5 * SECOND), (90.0, 90 * SECOND), (999_999_999.0, 24 * HOUR)],
    )
    def test_a_receiver_may_ask_for_more(self, asked: float, delay: timedelta) -> None:
        assert delay_after(1, asked, lambda: 0.0) == delay
