import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from finery.contracts.accounts import UserChanges
from finery.contracts.permissions import LOCAL_ADMINISTRATOR, Level, Principal
from finery.contracts.run import NewRun, Run
from finery.contracts.status import RunStatus
from finery.contracts.webhook_events import EventBody, WebhookEventRenderer
from finery.contracts.webhooks import NewWebhook, RunEventType, WebhookChanges, WebhookScope
from finery.db import Database
from finery.domain import accounts, runs, webhooks
from finery.domain.context import DomainContext
from finery.domain.webhooks.fan_out import has_undelivered
from finery.kit.clock import utc_now
from finery.models import OutboxRow, RunRow, WebhookMessageRow, WebhookRow
from tests import builders

pytestmark = pytest.mark.every_database

ALL_TYPES = [*RunEventType, "fine_tuning.job.succeeded", "fine_tuning.job.failed", "fine_tuning.job.cancelled"]
Messages = list[tuple[str, str, dict[str, Any]]]


@pytest.fixture
def make_webhook(database: Database, context: DomainContext) -> Callable[..., str]:
    def make(actor: Principal, **fields: Any) -> str:
        new = NewWebhook(**{"url": "https://hooks.example.org/", "event_types": ALL_TYPES, **fields})
        with database.write() as session:
            return webhooks.create(session, new, context, actor).id

    return make


@pytest.fixture
def make_run(database: Database, context: DomainContext) -> Callable[..., Run]:
    def make(actor: Principal, run_id: str, *statuses: RunStatus, source: str = "native") -> Run:
        """One that is carried out elsewhere and reported: its statuses change as we say."""
        new: NewRun = builders.external(run_id, source=source, labels={"팀": "가"})
        with database.write() as session:
            run = runs.create(session, new, context, actor)
        for status in statuses:
            with database.write() as session:
                run = runs.report(session, run_id, status, "it burnt" if status is RunStatus.FAILED else None, actor)
        return run

    return make


def fan_out(database: Database, context: DomainContext, *, limit: int = 1000) -> int:
    with database.write() as session:
        return webhooks.fan_out(session, context, limit=limit)


def messages(database: Database) -> Messages:
    """Of each: its webhook's id, its type, what it says; in order."""
    query = select(WebhookRow.id, WebhookMessageRow.type, WebhookMessageRow.payload)
    query = query.join(WebhookRow, WebhookRow.number == WebhookMessageRow.webhook_number)
    with database.read() as session:
        found = session.execute(query.order_by(WebhookMessageRow.number)).all()
    return [(webhook_id, type, json.loads(payload)) for webhook_id, type, payload in found]


def types(database: Database) -> list[str]:
    return [type for _, type, _ in messages(database)]


class TestFanOut:
    def test_what_a_message_says(
        self,
        database: Database,
        context: DomainContext,
        ann: Principal,
        make_webhook: Callable[..., str],
        make_run: Callable[..., Run],
    ) -> None:
        webhook_id = make_webhook(ann)
        run = make_run(ann, "job-1", RunStatus.RUNNING, RunStatus.FAILED)
        assert fan_out(database, context) == 3
        found = messages(database)
        assert [(whose, type) for whose, type, _ in found] == [
            (webhook_id, "run.queued"),
            (webhook_id, "run.started"),
            (webhook_id, "run.failed"),
        ]
        _, _, failed = found[2]
        assert failed.keys() == {"id", "type", "created_at", "data"}
        assert failed["id"].startswith("evt_")
        assert failed["type"] == "run.failed"
        assert run.finished_at is not None
        assert failed["data"] == {
            "id": "job-1",
            "status": "failed",
            "reason": None,
            "error": "it burnt",
            "recipe": "external",
            "source": "native",
            "name": None,
            "labels": {"팀": "가"},
            "owner_id": ann.user_id,
            "model_name": "gpt-mini",
            "output_dir": None,
            "created_at": run.created_at.isoformat(),
            "started_at": run.started_at.isoformat() if run.started_at else None,
            "finished_at": run.finished_at.isoformat(),
        }
        assert [found[0][2]["data"][key] for key in ("status", "error", "finished_at")] == ["queued", None, None]

    def test_each_event_once(
        self,
        database: Database,
        context: DomainContext,
        ann: Principal,
        make_webhook: Callable[..., str],
        make_run: Callable[..., Run],
    ) -> None:
        make_webhook(ann)
        for number in range(5):
            make_run(ann, f"job-{number}", RunStatus.RUNNING, RunStatus.SUCCEEDED)
        assert [fan_out(database, context, limit=6) for _ in range(4)] == [6, 6, 3, 0]
        assert types(database) == ["run.queued", "run.started", "run.succeeded"] * 5
        with database.read() as session:
            ids = session.scalars(select(WebhookMessageRow.id)).all()
            assert not has_undelivered(session)
        assert len(set(ids)) == 15
        assert all(message_id.startswith("msg_") for message_id in ids)

    def test_broken_off_it_is_as_if_it_had_not_begun(
        self,
        database: Database,
        context: DomainContext,
        ann: Principal,
        make_webhook: Callable[..., str],
        make_run: Callable[..., Run],
    ) -> None:
        make_webhook(ann)
        make_run(ann, "job-1", RunStatus.SUCCEEDED)

        def break_off(_: object) -> EventBody | None:
            raise ZeroDivisionError

        broken = replace(context, webhook_renderers=(WebhookEventRenderer((), break_off),))
        with pytest.raises(ZeroDivisionError):
            fan_out(database, broken)
        assert messages(database) == []
        assert fan_out(database, context) == 2
        assert types(database) == ["run.queued", "run.succeeded"]

    def test_the_same_event_again_is_no_second_message(
        self,
        database: Database,
        context: DomainContext,
        ann: Principal,
        make_webhook: Callable[..., str],
        make_run: Callable[..., Run],
    ) -> None:
        """Its id is made from what happened and the webhook."""
        make_webhook(ann)
        make_run(ann, "job-1", RunStatus.SUCCEEDED)
        fan_out(database, context)
        with database.read() as session:
            before = session.scalars(select(WebhookMessageRow.id).order_by(WebhookMessageRow.number)).all()
        with database.write() as session:
            session.execute(update(OutboxRow).values(delivered_at=None))
            session.query(WebhookMessageRow).delete()
        fan_out(database, context)
        with database.read() as session:
            after = session.scalars(select(WebhookMessageRow.id).order_by(WebhookMessageRow.number)).all()
        assert before == after

    def test_a_number_that_was_given_twice(
        self,
        database: Database,
        context: DomainContext,
        ann: Principal,
        make_webhook: Callable[..., str],
        make_run: Callable[..., Run],
    ) -> None:
        """SQLite gives the number of a deleted row to the next."""
        make_webhook(ann)
        for _ in range(2):
            make_run(ann, "job-1", RunStatus.SUCCEEDED)
            fan_out(database, context)
            with database.write() as session:
                session.delete(session.scalars(select(RunRow)).one())
        assert types(database) == ["run.queued", "run.succeeded"] * 2

    def test_only_the_types_that_are_wanted(
        self,
        database: Database,
        context: DomainContext,
        ann: Principal,
        make_webhook: Callable[..., str],
        make_run: Callable[..., Run],
    ) -> None:
        make_webhook(ann, event_types=["run.cancelled", "run.failed"])
        make_run(ann, "job-1", RunStatus.RUNNING, RunStatus.SUCCEEDED)
        make_run(ann, "job-2", RunStatus.CANCELLED)
        fan_out(database, context)
        assert types(database) == ["run.cancelled"]

    def test_only_ones_own_runs(
        self,
        database: Database,
        context: DomainContext,
        ann: Principal,
        bob: Principal,
        root: Principal,
        make_webhook: Callable[..., str],
        make_run: Callable[..., Run],
    ) -> None:
        of_ann, of_root = make_webhook(ann), make_webhook(root)
        of_server, all_of_root = make_webhook(LOCAL_ADMINISTRATOR), make_webhook(root, scope=WebhookScope.ALL)
        for actor, name in ((ann, "ann"), (bob, "bob"), (LOCAL_ADMINISTRATOR, "nobody")):
            make_run(actor, name)
        fan_out(database, context)
        told = [(webhook_id, body["data"]["id"]) for webhook_id, _, body in messages(database)]
        assert told == [
            (of_ann, "ann"),
            (all_of_root, "ann"),
            (all_of_root, "bob"),
            (of_server, "nobody"),
            (all_of_root, "nobody"),
        ]
        assert of_root not in dict(told)

    @pytest.mark.parametrize("changes", [{"levels": [Level.RESEARCHER]}, {"is_active": False}])
    def test_who_may_no_more_is_told_no_more(
        self,
        database: Database,
        context: DomainContext,
        ann: Principal,
        make_webhook: Callable[..., str],
        make_run: Callable[..., Run],
        changes: dict[str, Any],
    ) -> None:
        assert ann.user_id is not None
        with database.write() as session:
            accounts.update_user(session, ann.user_id, UserChanges(levels=[Level.LEAD]))
        lead = replace(ann, permissions=LOCAL_ADMINISTRATOR.permissions)
        make_webhook(lead, scope=WebhookScope.ALL)
        make_run(lead, "job-1")
        with database.write() as session:
            accounts.update_user(session, ann.user_id, UserChanges(**changes))
        fan_out(database, context)
        assert messages(database) == []

    def test_not_what_was_before_it_nor_while_it_was_off(
        self,
        database: Database,
        context: DomainContext,
        ann: Principal,
        make_webhook: Callable[..., str],
        make_run: Callable[..., Run],
    ) -> None:
        make_run(ann, "before")
        webhook_id = make_webhook(ann)
        with database.write() as session:
            webhooks.change(session, webhook_id, WebhookChanges(enabled=False), context, ann)
        make_run(ann, "off")
        assert fan_out(database, context) == 2
        with database.write() as session:
            webhooks.change(session, webhook_id, WebhookChanges(enabled=True), context, ann)
        make_run(ann, "on")
        fan_out(database, context)
        assert [body["data"]["id"] for _, _, body in messages(database)] == ["on"]

    def test_openais_words_for_its_own_jobs(
        self,
        database: Database,
        context: DomainContext,
        ann: Principal,
        make_webhook: Callable[..., str],
        make_run: Callable[..., Run],
    ) -> None:
        make_webhook(ann, event_types=[type for type in ALL_TYPES if type.startswith("fine_tuning")])
        ends = (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED)
        for end in ends:
            make_run(ann, f"ftjob-{end}", RunStatus.RUNNING, end, source="openai")
            make_run(ann, f"native-{end}", RunStatus.RUNNING, end)
        fan_out(database, context)
        found = messages(database)
        assert [type for _, type, _ in found] == [f"fine_tuning.job.{end}" for end in ends]
        for (_, type, body), end in zip(found, ends, strict=True):
            assert body == {
                "id": body["id"],
                "object": "event",
                "created_at": body["created_at"],
                "type": type,
                "data": {"id": f"ftjob-{end}"},
            }
            assert body["id"].startswith("evt_")
            assert abs(body["created_at"] - utc_now().timestamp()) < 60
            assert isinstance(body["created_at"], int)
