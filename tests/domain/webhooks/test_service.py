from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from finery.contracts.permissions import LOCAL_ADMINISTRATOR, Level, Permission, Principal, permissions_of
from finery.contracts.webhooks import NewWebhook, Webhook, WebhookChanges, WebhookScope, WebhookWithSecret
from finery.db import Database
from finery.domain import webhooks
from finery.domain.context import DomainContext
from finery.domain.secrets.errors import SecretKeyUnusable
from finery.domain.webhooks import service
from finery.domain.webhooks.errors import (
    AllRunsNeeded,
    InvalidWebhook,
    RunsReadNeeded,
    TooManyWebhooks,
    WebhookNotFound,
)
from finery.kit.destinations import Destinations
from finery.models import WebhookRow

URL = "https://hooks.example.org/finery"


def create(database: Database, context: DomainContext, actor: Principal, **fields: Any) -> WebhookWithSecret:
    with database.write() as session:
        return webhooks.create(session, NewWebhook(**{"url": URL, **fields}), context, actor)


def change(database: Database, context: DomainContext, actor: Principal, webhook_id: str, **fields: Any) -> Webhook:
    with database.write() as session:
        return webhooks.change(session, webhook_id, WebhookChanges(**fields), context, actor)


def get(database: Database, actor: Principal, webhook_id: str) -> Webhook:
    with database.read() as session:
        return webhooks.get(session, webhook_id, actor)


def names(database: Database, actor: Principal) -> list[str]:
    with database.read() as session:
        return [webhook.name for webhook in webhooks.list_all(session, actor)]


class TestCreate:
    def test_defaults(self, database: Database, context: DomainContext, ann: Principal) -> None:
        made = create(database, context, ann)
        found = get(database, ann, made.id)
        assert found == Webhook(**made.model_dump(exclude={"secret"}))
        assert (found.name, found.url, found.scope, found.enabled) == ("hooks.example.org", URL, "mine", True)
        assert found.event_types == ["run.succeeded", "run.failed", "run.cancelled"]
        assert found.owner_id == ann.user_id
        assert made.secret not in repr(made)

    def test_the_secret_is_stored_encrypted(self, database: Database, context: DomainContext, ann: Principal) -> None:
        made = create(database, context, ann)
        with database.read() as session:
            row = session.scalars(select(WebhookRow)).one()
            assert made.secret.removeprefix("whsec_") not in row.secret
            assert context.secrets.decrypt(row.secret) == made.secret

    def test_without_a_key_to_encrypt_with(self, database: Database, context: DomainContext, ann: Principal) -> None:
        context.home.state.mkdir(parents=True)
        (context.home.state / "secret.key").write_text("no key")
        with pytest.raises(SecretKeyUnusable):
            create(database, context, ann)

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("HTTPS://Hooks.Example.Org:443/a?b=c#d", "https://hooks.example.org/a?b=c"),
            ("https://bücher.example/주소", "https://xn--bcher-kva.example/%EC%A3%BC%EC%86%8C"),
            ("http://8.8.8.8:8080", "http://8.8.8.8:8080"),
        ],
    )
    def test_addresses_have_one_form(
        self, database: Database, context: DomainContext, ann: Principal, given: str, kept: str
    ) -> None:
        assert create(database, context, ann, url=given).url == kept

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("ftp://hooks.example.org/", "must begin with https://"),
            ("hooks.example.org", "must begin with https://"),
            ("https:///path", "must begin with https://"),
            ("file:///etc/passwd", "must begin with https://"),
            ("https://user:pass@hooks.example.org/", "must not hold a user name"),
            ("https://user@hooks.example.org/", "must not hold a user name"),
            ("https://hooks.example.org:0/", "port 0;"),
            ("https://hooks.example.org:65536/", "port 65536;"),
            ("https://hooks.example.org/\n", "is no address"),
            ("http://127.0.0.1/", "is loopback; an administrator may allow"),
            ("http://localhost:8001/", "is loopback"),
            ("http://2130706433/", "is loopback"),
            ("http://0x7f.1/", "is loopback"),
            ("http://0177.0.0.1/", "is no address"),
            ("http://10.0.0.1/", "is private"),
            ("http://169.254.169.254/latest/meta-data", "is link-local"),
            ("http://[::1]/", "is loopback"),
            ("http://[fd00::1]/", "is private"),
            ("http://[::ffff:127.0.0.1]/", "an IPv4 address in IPv6"),
            ("http://[::1%25lo]:9000/", "names a zone"),
            ("http://[::1%lo]/", "names a zone"),
            ("http://[fe80::1%25lo]/", "names a zone"),
            ("http://[::ffff:127.0.0.1%25lo]/", "names a zone"),
            ("http://[2606:4700::1111%25eth0]/", "names a zone"),
            ("http://127.0.0.1%25lo/", "escaped"),
            ("http://%31%32%37.0.0.1/", "escaped"),
        ],
    )
    def test_addresses_that_cannot_be(
        self, database: Database, context: DomainContext, ann: Principal, url: str, message: str
    ) -> None:
        with pytest.raises(InvalidWebhook, match=message) as caught:
            create(database, context, ann, url=url)
        assert caught.value.issues[0].field == "url"

    def test_a_network_that_is_allowed(self, database: Database, context: DomainContext, ann: Principal) -> None:
        wider = replace(context, destinations=Destinations.parse(["10.1.0.0/16"]))
        assert create(database, wider, ann, url="http://10.1.2.3/").url == "http://10.1.2.3/"

    def test_types_that_do_not_exist(self, database: Database, context: DomainContext, ann: Principal) -> None:
        with pytest.raises(InvalidWebhook, match=r"did you mean run\.succeeded\?") as caught:
            create(database, context, ann, event_types=["run.failed", "run.succeded"])
        assert caught.value.issues[0].field == "event_types.1"
        with pytest.raises(InvalidWebhook, match=r"known: run\.queued, .*fine_tuning\.job\.succeeded"):
            create(database, context, ann, event_types=["batch"])

    def test_types_twice(self, database: Database, context: DomainContext, ann: Principal) -> None:
        made = create(database, context, ann, event_types=["run.failed", "fine_tuning.job.failed", "run.failed"])
        assert made.event_types == ["run.failed", "fine_tuning.job.failed"]

    @pytest.mark.parametrize("name", ["   ", "a\nb", "‮a"])
    def test_names_that_cannot_be(self, database: Database, context: DomainContext, ann: Principal, name: str) -> None:
        with pytest.raises(InvalidWebhook, match=r"^name: "):
            create(database, context, ann, name=name)

    def test_everyones_runs_need_the_permission(
        self, database: Database, context: DomainContext, ann: Principal, root: Principal
    ) -> None:
        with pytest.raises(AllRunsNeeded):
            create(database, context, ann, scope=WebhookScope.ALL)
        assert create(database, context, root, scope=WebhookScope.ALL).scope is WebhookScope.ALL

    def test_who_may_not_read_runs_has_none_told(
        self, database: Database, context: DomainContext, ann: Principal
    ) -> None:
        blind = replace(ann, permissions=frozenset({Permission.WEBHOOKS_WRITE}), is_scoped=True)
        with pytest.raises(RunsReadNeeded, match="lack the permission 'runs:read'"):
            create(database, context, blind)
        made = create(database, context, ann)
        with pytest.raises(RunsReadNeeded):
            change(database, context, blind, made.id, url="https://elsewhere.example/")
        assert get(database, ann, made.id).url == URL
        with database.write() as session:
            message = webhooks.send_test(session, made.id, blind)
            for ask in (
                lambda: webhooks.list_deliveries(session, made.id, blind, limit=10),
                lambda: webhooks.get_delivery(session, made.id, message.id, blind),
                lambda: webhooks.replay(session, made.id, message.id, blind),
            ):
                with pytest.raises(RunsReadNeeded):
                    ask()
            assert len(webhooks.list_deliveries(session, made.id, ann, limit=10).deliveries) == 1

    def test_so_many_and_no_more(
        self,
        database: Database,
        context: DomainContext,
        ann: Principal,
        bob: Principal,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(service, "MOST_WEBHOOKS", 2)
        for _ in range(2):
            create(database, context, ann)
        with pytest.raises(TooManyWebhooks):
            create(database, context, ann)
        create(database, context, bob)


class TestWhose:
    def test_another_users_is_not_found(
        self, database: Database, context: DomainContext, ann: Principal, bob: Principal, root: Principal
    ) -> None:
        made = create(database, context, ann, name="ann's")
        assert (names(database, ann), names(database, bob), names(database, root)) == (["ann's"], [], [])
        for actor in (bob, root):
            with pytest.raises(WebhookNotFound):
                get(database, actor, made.id)
            with pytest.raises(WebhookNotFound):
                change(database, context, actor, made.id, name="mine")
            with database.write() as session, pytest.raises(WebhookNotFound):
                webhooks.delete(session, made.id, actor)
            with database.write() as session, pytest.raises(WebhookNotFound):
                webhooks.rotate_secret(session, made.id, context, actor)

    def test_the_servers_is_theirs_who_see_everything(
        self, database: Database, context: DomainContext, ann: Principal, root: Principal
    ) -> None:
        create(database, context, LOCAL_ADMINISTRATOR, name="the server's")
        assert (names(database, root), names(database, ann)) == (["the server's"], [])
        assert names(database, Principal(None, "nobody", permissions_of([Level.RESEARCHER]))) == []

    def test_goes_with_its_user(self, database: Database, context: DomainContext, ann: Principal) -> None:
        from finery.domain import accounts

        create(database, context, ann)
        assert ann.user_id is not None
        with database.write() as session:
            accounts.delete_user(session, ann.user_id)
        with database.read() as session:
            assert session.scalars(select(WebhookRow)).all() == []

    def test_a_lesser_key_cannot_lead_everyones_news_elsewhere(
        self, database: Database, context: DomainContext, root: Principal
    ) -> None:
        made = create(database, context, root, scope=WebhookScope.ALL)
        scopes = frozenset({Permission.WEBHOOKS_WRITE, Permission.RUNS_READ})
        lesser = replace(root, permissions=scopes, is_scoped=True)
        with pytest.raises(AllRunsNeeded):
            change(database, context, lesser, made.id, url="https://elsewhere.example/")
        with database.write() as session, pytest.raises(AllRunsNeeded):
            webhooks.rotate_secret(session, made.id, context, lesser)
        with database.write() as session, pytest.raises(AllRunsNeeded):
            webhooks.send_test(session, made.id, lesser)
        with database.read() as session, pytest.raises(AllRunsNeeded):
            webhooks.list_deliveries(session, made.id, lesser, limit=1)
        mine = create(database, context, lesser)
        with pytest.raises(AllRunsNeeded):
            change(database, context, lesser, mine.id, scope=WebhookScope.ALL)
        assert get(database, root, mine.id).scope is WebhookScope.MINE

    @pytest.mark.parametrize("webhook_id", ["nothing", "a b", "x" * 64, "é"])
    def test_what_is_not_there(self, database: Database, ann: Principal, webhook_id: str) -> None:
        with pytest.raises(WebhookNotFound):
            get(database, ann, webhook_id)


class TestChange:
    def test_what_is_given(self, database: Database, context: DomainContext, ann: Principal) -> None:
        made = create(database, context, ann)
        changed = change(
            database, context, ann, made.id, name=" 이름 ", url="https://b.example/", event_types=["run.queued"]
        )
        assert (changed.name, changed.url, changed.event_types) == ("이름", "https://b.example/", ["run.queued"])
        assert changed.updated_at > made.updated_at
        assert get(database, ann, made.id) == changed

    def test_nothing_changes_nothing(self, database: Database, context: DomainContext, ann: Principal) -> None:
        made = create(database, context, ann)
        assert change(database, context, ann, made.id, url=URL) == get(database, ann, made.id)
        assert get(database, ann, made.id).updated_at == made.updated_at

    def test_a_bad_address(self, database: Database, context: DomainContext, ann: Principal) -> None:
        made = create(database, context, ann)
        with pytest.raises(InvalidWebhook):
            change(database, context, ann, made.id, url="http://127.0.0.1/")
        assert get(database, ann, made.id).url == URL

    def test_off_and_on(self, database: Database, context: DomainContext, ann: Principal) -> None:
        made = create(database, context, ann)
        off = change(database, context, ann, made.id, enabled=False)
        assert (off.enabled, off.disabled_reason) == (False, "it was switched off")
        on = change(database, context, ann, made.id, enabled=True)
        assert (on.enabled, on.disabled_reason) == (True, None)


class TestRotateSecret:
    @pytest.mark.parametrize("keep_old", [True, False])
    def test_the_old_one(self, database: Database, context: DomainContext, ann: Principal, keep_old: bool) -> None:
        made = create(database, context, ann)
        with database.write() as session:
            rotated = webhooks.rotate_secret(session, made.id, context, ann, keep_old=keep_old)
        assert rotated.secret != made.secret
        assert rotated.secret_hint.endswith(rotated.secret[-4:])
        with database.read() as session:
            row = session.scalars(select(WebhookRow)).one()
            assert context.secrets.decrypt(row.secret) == rotated.secret
            if not keep_old:
                assert (row.previous_secret, row.previous_secret_until) == (None, None)
                return
            assert context.secrets.decrypt(row.previous_secret or "") == made.secret
            assert row.previous_secret_until == row.updated_at + timedelta(hours=24)


class TestDelete:
    def test_is_gone_with_its_messages(self, database: Database, context: DomainContext, ann: Principal) -> None:
        made = create(database, context, ann)
        with database.write() as session:
            webhooks.send_test(session, made.id, ann)
        with database.write() as session:
            webhooks.delete(session, made.id, ann)
        assert names(database, ann) == []
