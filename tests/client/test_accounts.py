"""Accounts, secrets and the audit log against a real server."""

from collections.abc import Iterator

import pytest

from finery.client import FineryClient, FineryError
from finery.contracts.accounts import AuditFilter, AuditResult, NewUser, UserChanges
from finery.contracts.permissions import Level
from tests.app.threaded import ThreadedServer
from tests.client.answers import run
from tests.client.scripted import ScriptedServer, as_json

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadedServer]:
    with ThreadedServer(tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.fixture(scope="module")
def key(guarded: ThreadedServer) -> str:
    """Of the first administrator, ada."""
    with FineryClient(url=guarded.url, api_key="") as client:
        assert client.accounts.me().is_local
        assert client.accounts.setup_status().needs_setup
        client.accounts.set_up(email="ada@example.org", username="ada", password=PASSWORD, display_name="에이다")
        assert not client.accounts.setup_status().needs_setup
        return client.accounts.create_key("tests").key


@pytest.fixture
def ada(guarded: ThreadedServer, key: str) -> Iterator[FineryClient]:
    with FineryClient(url=guarded.url, api_key=key) as client:
        yield client


def status_of(error: pytest.ExceptionInfo[FineryError]) -> tuple[int, str]:
    return error.value.status, error.value.code


class TestLogIn:
    def test_from_log_in_to_log_out(self, guarded: ThreadedServer, key: str) -> None:
        with FineryClient(url=guarded.url, api_key="") as client:
            opened = client.accounts.log_in("ADA@example.org", PASSWORD, remember=True)
            me = client.accounts.me()
            client.accounts.log_out()
            with pytest.raises(FineryError) as refused:
                client.accounts.me()

        assert me.user is not None
        assert (opened.user.id, opened.user.display_name) == (me.user.id, "에이다")
        assert "users:write" in me.permissions
        assert refused.value.status == 401

    def test_an_empty_key_is_none(self, guarded: ThreadedServer, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FINERY_API_KEY", key)
        with FineryClient(url=guarded.url) as named, FineryClient(url=guarded.url, api_key="") as nameless:
            assert named.accounts.me().name == "ada"
            with pytest.raises(FineryError) as refused:
                nameless.accounts.me()
        assert status_of(refused) == (401, "login_needed")


class TestKeys:
    def test_a_key_is_worth_what_it_was_made_for(self, guarded: ThreadedServer, ada: FineryClient) -> None:
        made = ada.accounts.create_key("narrow", expires_days=1, scoped_permissions=["account:self", "runs:read"])
        with FineryClient(url=guarded.url, api_key=made.key) as narrow:
            assert narrow.accounts.me().is_scoped
            with pytest.raises(FineryError) as refused:
                narrow.accounts.list_users()

        assert status_of(refused) == (403, "permission_missing")
        assert made.key not in repr(made)
        assert made.info.id in {found.id for found in ada.accounts.list_keys()}
        assert not ada.accounts.revoke_key(made.info.id).is_active


class TestUsers:
    def test_only_what_is_set_changes(self, ada: FineryClient) -> None:
        made = ada.accounts.create_user(NewUser(email="mei@example.org", username="mei", display_name="陈美"))
        levels = ada.accounts.update_user(made.id, UserChanges(levels=[Level.LEAD]))
        cleared = ada.accounts.update_user(made.id, UserChanges(display_name=None))

        assert (made.levels, made.has_password) == ([Level.RESEARCHER], False)
        assert (levels.levels, levels.display_name) == ([Level.LEAD], "陈美")
        assert (cleared.levels, cleared.display_name) == ([Level.LEAD], None)
        assert ada.accounts.get_user(made.id) == cleared
        ada.accounts.delete_user(made.id)
        assert [user.username for user in ada.accounts.list_users()] == ["ada"]

    def test_a_password_is_not_repeated_in_an_error(self, ada: FineryClient) -> None:
        with pytest.raises(FineryError) as refused:
            ada.accounts.create_user(NewUser(email="x", username="x", password="hunter2"))

        assert {issue.field for issue in refused.value.issues} >= {"email", "username", "password"}
        assert "hunter2" not in str(refused.value)


class TestSecrets:
    def test_ones_own_and_the_servers(self, ada: FineryClient) -> None:
        own, server = (ada.secrets.set("TOKEN", "abcdefghij", scope=scope) for scope in ("mine", "server"))

        assert (own.owner_id is None, server.owner_id is None) == (False, True)
        assert len(ada.secrets.list()) == 2
        ada.secrets.delete("TOKEN", scope="server")
        ada.secrets.delete("TOKEN")
        assert ada.secrets.list() == []


class TestAudit:
    def test_pages_and_export_hold_the_same(self, ada: FineryClient) -> None:
        for name in ("one", "two", "three"):
            ada.secrets.set(name, "abcdefghij")
        wanted = AuditFilter(action="set_secret", result=AuditResult.OK)
        first = ada.audit.page(wanted, limit=2)
        second = ada.audit.page(wanted, limit=100, cursor=first.next_cursor)

        assert [entry.target for entry in first.entries] == ["three", "two"]
        assert [*ada.audit.export(wanted)] == [*first.entries, *second.entries][::-1]
        assert ada.audit.page(AuditFilter(user_id="nobody")).entries == []


class TestSharing:
    def test_is_asked_for_only_where_it_is_wanted(self) -> None:
        with ScriptedServer(as_json(run())) as server, FineryClient(url=server.url) as client:
            client.create_run("command", {})
            client.create_run("command", {}, shared=True)
            client.update_run("ab12cd34", shared=False)
            client.update_run("ab12cd34", name="another", labels={})

        assert b"shared" not in server.asked[0].body
        assert b'"shared":true' in server.asked[1].body
        assert server.paths[2] == "PATCH /api/v1/runs/ab12cd34"
        assert [asked.body for asked in server.asked[2:]] == [b'{"shared":false}', b'{"name":"another","labels":{}}']
