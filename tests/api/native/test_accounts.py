import json
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from finery.app.composition import Composition
from finery.client.accounts import CreatedKey, KeyList, LoggedIn, Me, UserList
from finery.client.secrets import SecretList
from finery.contracts.accounts import AuditPage, SecretInfo, SetupStatus, User
from finery.contracts.permissions import PERMISSIONS_OF_LEVEL, Level
from finery.domain import secrets
from finery.kit.clock import utc_now
from tests.builders import RUN, write_rows
from tests.domain.accounts.people import PASSWORD
from tests.http.accounts import SETUP, at_address

V1 = "/api/v1"
ADA = {"email": "ada@example.org", "username": "ada", "password": PASSWORD}


@pytest.fixture
def admin(client: TestClient) -> TestClient:
    """Logged in."""
    assert client.post(f"{V1}/setup", json=SETUP).status_code == 201
    return client


@pytest.fixture
def ada(admin: TestClient, app: FastAPI) -> TestClient:
    """A researcher, logged in."""
    assert admin.post(f"{V1}/users", json=ADA).status_code == 201
    client = at_address(app, "127.0.0.1")
    assert client.post(f"{V1}/login", json={"login": "ada", "password": PASSWORD}).status_code == 200
    return client


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def with_key(app: FastAPI, answer: Any) -> TestClient:
    return at_address(app, "127.0.0.1", Authorization=f"Bearer {answer.json()['key']}")


class TestSetup:
    def test_status_before_and_after(self, client: TestClient) -> None:
        assert client.get(f"{V1}/setup").json() == {
            "needs_setup": True, "has_admin": False, "user_count": 0, "registration_enabled": False
        }  # fmt: skip
        User.model_validate(client.post(f"{V1}/setup", json=SETUP).json())
        status = SetupStatus.model_validate(client.get(f"{V1}/setup").json())
        assert (status.needs_setup, status.has_admin, status.user_count) == (False, True, 1)

    def test_unknown_key(self, client: TestClient) -> None:
        answer = client.post(f"{V1}/setup", json={**SETUP, "user_name": "x"})
        assert answer.status_code == 422
        assert "'username'" in answer.json()["error"]["message"]


class TestLogin:
    def test_answer(self, admin: TestClient) -> None:
        answer = admin.post(f"{V1}/login", json={"login": "root", "password": PASSWORD})
        found = LoggedIn.model_validate(answer.json())
        assert found.user.last_login_at is not None
        assert timedelta(hours=11) < found.expires_at - utc_now() < timedelta(hours=13)

    @pytest.mark.parametrize(
        "body", [{}, {"login": "root"}, {"login": 7, "password": "x"}, {"login": "", "password": ""}]
    )
    def test_impossible(self, admin: TestClient, body: dict[str, Any]) -> None:
        answer = admin.post(f"{V1}/login", json=body)
        assert answer.status_code == 422

    def test_a_password_is_never_repeated(self, admin: TestClient) -> None:
        answer = admin.post(f"{V1}/login", json={"login": "root", "password": "hunter2" * 200, "pasword": "hunter2"})
        assert answer.status_code == 422
        assert "hunter2" not in answer.text

    def test_ends_the_session_whose_cookie_was_sent(self, admin: TestClient, ada: TestClient, app: FastAPI) -> None:
        old = admin.cookies["finery_session"]
        assert admin.post(f"{V1}/login", json={"login": "ada", "password": "wrong horse"}).status_code == 401
        assert admin.get(f"{V1}/me").status_code == 200
        assert admin.post(f"{V1}/login", json={"login": "ada", "password": PASSWORD}).status_code == 200
        assert admin.get(f"{V1}/me").json()["name"] == ada.get(f"{V1}/me").json()["name"] == "ada"
        replay = at_address(app, "127.0.0.1", Cookie=f"finery_session={old}")
        assert code_of(replay.get(f"{V1}/me")) == (401, "session_ended")


class TestLogout:
    def test_of_a_session_that_has_ended(self, ada: TestClient, app: FastAPI, admin: TestClient) -> None:
        old = ada.cookies["finery_session"]
        assert ada.post(f"{V1}/logout").status_code == 204
        browser = at_address(app, "127.0.0.1")
        browser.cookies.set("finery_session", old)
        answer = browser.post(f"{V1}/logout")
        assert code_of(answer) == (401, "session_ended")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["set-cookie"].startswith('finery_session=""; ')
        assert "Max-Age=0" in answer.headers["set-cookie"]
        denied = {"action": "logout", "result": "denied"}
        assert len(admin.get(f"{V1}/audit", params=denied).json()["entries"]) == 1
        for other in (at_address(app, "127.0.0.1"), at_address(app, "127.0.0.1", Authorization="Bearer st_none")):
            answer = other.post(f"{V1}/logout")
            assert (answer.status_code, answer.headers.get("set-cookie")) == (401, None)


class TestMe:
    def test_without_accounts(self, client: TestClient) -> None:
        me = Me.model_validate(client.get(f"{V1}/me").json())
        assert (me.user, me.name, me.is_local, me.is_scoped) == (None, "local administrator", True, False)

    def test_user(self, ada: TestClient) -> None:
        answer = ada.get(f"{V1}/me").json()
        me = Me.model_validate(answer)
        assert me.user is not None
        assert (me.user.username, me.name, me.is_local, me.is_scoped) == ("ada", "ada", False, False)
        assert answer["permissions"] == sorted(PERMISSIONS_OF_LEVEL[Level.RESEARCHER])

    def test_scoped_key(self, ada: TestClient, app: FastAPI) -> None:
        scopes = ["runs:read", "account:self"]
        script = with_key(app, ada.post(f"{V1}/keys", json={"name": "k", "scoped_permissions": scopes}))
        me = Me.model_validate(script.get(f"{V1}/me").json())
        assert (me.permissions, me.is_scoped) == (sorted(scopes), True)


class TestChangePassword:
    def test_ends_other_sessions(self, ada: TestClient, app: FastAPI) -> None:
        other = at_address(app, "127.0.0.1")
        other.post(f"{V1}/login", json={"login": "ada", "password": PASSWORD})
        body = {"current_password": PASSWORD, "new_password": "battery staple"}
        assert ada.post(f"{V1}/me/password", json=body).status_code == 204
        assert ada.get(f"{V1}/me").status_code == 200
        assert code_of(other.get(f"{V1}/me")) == (401, "session_ended")
        assert other.post(f"{V1}/login", json={"login": "ada", "password": PASSWORD}).status_code == 401
        assert other.post(f"{V1}/login", json={"login": "ada", "password": "battery staple"}).status_code == 200

    def test_guessing_is_slow_and_one_users_matter(self, ada: TestClient, admin: TestClient) -> None:
        wrong = {"current_password": "guess", "new_password": "battery staple"}
        answers = [ada.post(f"{V1}/me/password", json=wrong) for _ in range(11)]
        assert [answer.status_code for answer in answers] == [422] * 10 + [429]
        assert answers[0].json()["error"]["errors"][0]["field"] == "current_password"
        assert "Retry-After" in answers[-1].headers
        assert code_of(admin.post(f"{V1}/me/password", json=wrong)) == (422, "wrong_password")

    @pytest.mark.parametrize("password", ["short", "ADALOVELACE"])
    def test_impossible(self, admin: TestClient, ada: TestClient, password: str) -> None:
        user_id = ada.get(f"{V1}/me").json()["user"]["id"]
        admin.patch(f"{V1}/users/{user_id}", json={"username": "adalovelace"})
        answer = ada.post(f"{V1}/me/password", json={"current_password": PASSWORD, "new_password": password})
        assert answer.status_code == 422
        assert [issue["field"] for issue in answer.json()["error"]["errors"]] == ["new_password"]

    def test_without_accounts(self, client: TestClient) -> None:
        body = {"current_password": "x", "new_password": PASSWORD}
        assert code_of(client.post(f"{V1}/me/password", json=body)) == (409, "setup_needed")


class TestKeys:
    def test_made_used_listed_revoked(self, ada: TestClient, app: FastAPI) -> None:
        answer = ada.post(f"{V1}/keys", json={"name": "밤새", "expires_days": 3})
        assert answer.status_code == 201
        made = CreatedKey.model_validate(answer.json())
        assert made.key.startswith(made.info.prefix)
        assert made.info.expires_at is not None
        script = with_key(app, answer)
        assert script.get(f"{V1}/me").status_code == 200
        listing = ada.get(f"{V1}/keys")
        assert made.key not in listing.text
        [info] = KeyList.model_validate(listing.json()).keys
        assert (info.name, info.is_active) == ("밤새", True)
        assert info.last_used_at is not None
        assert ada.delete(f"{V1}/keys/{info.id}").json()["is_active"] is False
        assert code_of(script.get(f"{V1}/me")) == (401, "key_refused")
        assert ada.delete(f"{V1}/keys/{info.id}").status_code == 200

    def test_an_administrator_revokes_another_users(self, ada: TestClient, admin: TestClient, app: FastAPI) -> None:
        made = ada.post(f"{V1}/keys", json={"name": "k"})
        script, info = with_key(app, made), made.json()["info"]
        user_id = ada.get(f"{V1}/me").json()["user"]["id"]
        keys = f"{V1}/users/{user_id}/keys"
        assert admin.get(keys).json() == ada.get(f"{V1}/keys").json()
        assert code_of(ada.get(keys)) == code_of(ada.delete(f"{keys}/{info['id']}")) == (403, "permission_missing")
        assert code_of(admin.get(f"{V1}/users/none/keys")) == (404, "user_not_found")
        assert code_of(admin.delete(f"{V1}/users/none/keys/{info['id']}")) == (404, "user_not_found")
        assert code_of(admin.delete(f"{keys}/none")) == (404, "key_not_found")
        assert admin.delete(f"{keys}/{info['id']}").json()["is_active"] is False
        assert code_of(script.get(f"{V1}/me")) == (401, "key_refused")
        [entry] = admin.get(f"{V1}/audit", params={"action": "revoke_users_key", "result": "ok"}).json()["entries"]
        assert (entry["user_name"], entry["target"]) == ("root", f"{user_id}/{info['id']}")

    def test_a_hundred_and_no_more(self, ada: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("finery.domain.accounts.keys.MOST_KEYS", 1)
        assert ada.post(f"{V1}/keys", json={"name": "k"}).status_code == 201
        answer = ada.post(f"{V1}/keys", json={"name": "k"})
        assert code_of(answer) == (409, "too_many_keys")
        assert "revoke one" in answer.json()["error"]["message"]

    def test_another_users(self, ada: TestClient, admin: TestClient) -> None:
        key_id = ada.post(f"{V1}/keys", json={"name": "k"}).json()["info"]["id"]
        assert code_of(admin.delete(f"{V1}/keys/{key_id}")) == (404, "key_not_found")
        assert admin.get(f"{V1}/keys").json() == {"keys": []}

    @pytest.mark.parametrize(
        ("change", "field", "says"),
        [
            ({"name": ""}, "name", "1 to 200"),
            ({"name": None}, "name", "must be text"),
            ({"expires_days": 0}, "expires_days", "1 to 3650"),
            ({"expires_days": 10**30}, "expires_days", "1 to 3650"),
            ({"scoped_permissions": []}, "scoped_permissions", "at least one"),
            ({"scoped_permissions": ["runs:raed"]}, "scoped_permissions", "did you mean runs:read"),
            ({"scoped_permissions": ["users:write"]}, "scoped_permissions", "do not have"),
        ],
    )
    def test_impossible(self, ada: TestClient, change: dict[str, Any], field: str, says: str) -> None:
        answer = ada.post(f"{V1}/keys", json={"name": "k", **change})
        assert answer.status_code == 422
        [issue] = answer.json()["error"]["errors"]
        assert issue["field"] == field
        assert says in issue["message"]

    def test_a_key_makes_no_greater_one(self, ada: TestClient, app: FastAPI) -> None:
        scopes = ["keys:self", "account:self"]
        script = with_key(app, ada.post(f"{V1}/keys", json={"name": "k", "scoped_permissions": scopes}))
        answer = script.post(f"{V1}/keys", json={"name": "child"})
        assert sorted(answer.json()["info"]["scoped_permissions"]) == sorted(scopes)
        wanted = {"name": "child", "scoped_permissions": ["runs:read"]}
        assert script.post(f"{V1}/keys", json=wanted).status_code == 422

    @pytest.mark.parametrize(("method", "path"), [("GET", "keys"), ("POST", "keys"), ("DELETE", "keys/x")])
    def test_without_accounts(self, client: TestClient, method: str, path: str) -> None:
        body = {"json": {"name": "k"}} if method == "POST" else {}
        assert code_of(client.request(method, f"{V1}/{path}", **body)) == (409, "setup_needed")  # type: ignore[arg-type]


class TestUsers:
    def test_made_seen_changed_deleted(self, admin: TestClient) -> None:
        body = {**ADA, "display_name": "에이다", "levels": ["viewer", "lead"]}
        user = User.model_validate(admin.post(f"{V1}/users", json=body).json())
        assert (user.display_name, user.levels, user.has_password) == ("에이다", ["viewer", "lead"], True)
        path = f"{V1}/users/{user.id}"
        assert User.model_validate(admin.get(path).json()) == user
        assert [found.username for found in UserList.model_validate(admin.get(f"{V1}/users").json()).users] == [
            "ada",
            "root",
        ]
        changed = admin.patch(path, json={"display_name": None, "levels": ["admin"]}).json()
        assert (changed["display_name"], changed["levels"], changed["email"]) == (None, ["admin"], "ada@example.org")
        assert admin.delete(path).status_code == 204
        assert code_of(admin.get(path)) == (404, "user_not_found")

    def test_pages(self, admin: TestClient) -> None:
        admin.post(f"{V1}/users", json=ADA)
        answer = admin.get(f"{V1}/users", params={"limit": 1, "offset": 1})
        assert [user["username"] for user in answer.json()["users"]] == ["root"]

    def test_twice(self, admin: TestClient) -> None:
        admin.post(f"{V1}/users", json=ADA)
        answer = admin.post(f"{V1}/users", json={**ADA, "username": "ADA", "email": "other@example.org"})
        assert code_of(answer) == (409, "user_exists")

    def test_the_last_administrator_stays(self, admin: TestClient) -> None:
        user_id = admin.get(f"{V1}/me").json()["user"]["id"]
        assert code_of(admin.delete(f"{V1}/users/{user_id}")) == (409, "last_administrator")
        assert code_of(admin.patch(f"{V1}/users/{user_id}", json={"is_active": False})) == (409, "last_administrator")

    def test_deactivated_is_out_at_once(self, admin: TestClient, ada: TestClient, app: FastAPI) -> None:
        script = with_key(app, ada.post(f"{V1}/keys", json={"name": "k"}))
        user_id = ada.get(f"{V1}/me").json()["user"]["id"]
        assert admin.patch(f"{V1}/users/{user_id}", json={"is_active": False}).json()["is_active"] is False
        assert ada.get(f"{V1}/me").status_code == 401
        assert script.get(f"{V1}/me").status_code == 401
        assert ada.post(f"{V1}/login", json={"login": "ada", "password": PASSWORD}).status_code == 401
        admin.patch(f"{V1}/users/{user_id}", json={"is_active": True})
        assert code_of(script.get(f"{V1}/me")) == (401, "key_refused")

    def test_another_password_revokes_the_keys(self, admin: TestClient, ada: TestClient, app: FastAPI) -> None:
        script = with_key(app, ada.post(f"{V1}/keys", json={"name": "k"}))
        user_id = ada.get(f"{V1}/me").json()["user"]["id"]
        assert admin.patch(f"{V1}/users/{user_id}", json={"password": "battery staple"}).status_code == 200
        assert code_of(script.get(f"{V1}/me")) == (401, "key_refused")

    @pytest.mark.parametrize(
        ("change", "says"),
        [({"levels": ["resercher"]}, "researcher"), ({"is_admin": True}, "unknown key"), ({"email": "x"}, "address")],
    )
    def test_impossible(self, admin: TestClient, change: dict[str, Any], says: str) -> None:
        answer = admin.post(f"{V1}/users", json={**ADA, **change})
        assert answer.status_code == 422
        assert says in answer.json()["error"]["errors"][0]["message"]

    def test_a_deleted_users_runs_stay(self, admin: TestClient, ada: TestClient, composition: Composition) -> None:
        write_rows(composition.services.context.home.path)
        run = {**RUN, "id": "adas"}
        assert ada.post(f"{V1}/runs", json=run).status_code == 201
        user_id = ada.get(f"{V1}/me").json()["user"]["id"]
        assert admin.delete(f"{V1}/users/{user_id}").status_code == 204
        assert admin.get(f"{V1}/runs/adas").json()["status"] == "queued"
        assert ada.get(f"{V1}/runs/adas").status_code == 401


class TestSecrets:
    def test_set_listed_deleted(self, ada: TestClient, admin: TestClient, composition: Composition) -> None:
        answer = ada.put(f"{V1}/secrets/HF_TOKEN", json={"value": "hf_0123456789"})
        info = SecretInfo.model_validate(answer.json())
        assert info.owner_id == ada.get(f"{V1}/me").json()["user"]["id"]
        listing = ada.get(f"{V1}/secrets")
        assert SecretList.model_validate(listing.json()).secrets == [info]
        assert admin.get(f"{V1}/secrets").json() == {"secrets": []}
        services = composition.services
        with services.database.read() as session:
            found = secrets.resolve(session, services.context.secrets, ["HF_TOKEN"], owner_id=info.owner_id)
        assert found == {"HF_TOKEN": "hf_0123456789"}
        for text in (answer.text, listing.text, admin.get(f"{V1}/audit/export").text):
            assert "hf_0123456789" not in text
        assert admin.delete(f"{V1}/secrets/HF_TOKEN").status_code == 404
        assert ada.delete(f"{V1}/secrets/HF_TOKEN").status_code == 204
        assert code_of(ada.delete(f"{V1}/secrets/HF_TOKEN")) == (404, "secret_not_found")

    def test_the_servers(self, ada: TestClient, admin: TestClient) -> None:
        path, body = f"{V1}/server-secrets/HF_TOKEN", {"value": "hf_0123456789"}
        assert code_of(ada.put(path, json=body)) == (403, "permission_missing")
        assert admin.put(path, json=body).json()["owner_id"] is None
        assert [secret["owner_id"] for secret in ada.get(f"{V1}/secrets").json()["secrets"]] == [None]
        assert ada.delete(f"{V1}/secrets/HF_TOKEN").status_code == 404
        assert ada.delete(path).status_code == 403
        assert admin.delete(path).status_code == 204

    def test_without_accounts_they_are_the_servers(self, client: TestClient) -> None:
        assert client.put(f"{V1}/secrets/A", json={"value": "0123456789"}).json()["owner_id"] is None
        assert client.delete(f"{V1}/server-secrets/A").status_code == 204

    @pytest.mark.parametrize(
        ("name", "value", "field"), [("1A", "0123456789", "name"), ("A", "", "value"), ("A", "a\0" * 9, "value")]
    )
    def test_impossible(self, client: TestClient, name: str, value: str, field: str) -> None:
        answer = client.put(f"{V1}/secrets/{name}", json={"value": value})
        assert answer.status_code == 422
        assert answer.json()["error"]["errors"][0]["field"] == field


class TestAudit:
    @pytest.fixture
    def history(self, admin: TestClient) -> list[dict[str, Any]]:
        """Oldest first."""
        for name in ("A", "B", "C"):
            admin.put(f"{V1}/secrets/{name}", json={"value": "0123456789"})
        admin.post(f"{V1}/users", json=ADA)
        return list(reversed(admin.get(f"{V1}/audit").json()["entries"]))

    def test_every_change_is_there(self, admin: TestClient, history: list[dict[str, Any]]) -> None:
        [user_id] = [user["id"] for user in admin.get(f"{V1}/users").json()["users"] if user["username"] == "ada"]
        assert [(entry["action"], entry["target"]) for entry in history[2:]] == [
            ("set_secret", "A"),
            ("set_secret", "B"),
            ("set_secret", "C"),
            ("create_user", user_id),
        ]
        assert [entry["action"] for entry in history[:2]] == ["setup", "login"]

    def test_pages(self, admin: TestClient, history: list[dict[str, Any]]) -> None:
        seen: list[int] = []
        cursor = None
        while page := AuditPage.model_validate(
            admin.get(f"{V1}/audit", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        ):
            seen += [entry.id for entry in page.entries]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == [entry["id"] for entry in reversed(history)]

    def test_filters(self, admin: TestClient, history: list[dict[str, Any]]) -> None:
        def found(**filters: str) -> list[int]:
            listed = admin.get(f"{V1}/audit", params=filters).json()["entries"]
            exported = admin.get(f"{V1}/audit/export", params=filters).text.splitlines()
            ids = [entry["id"] for entry in listed]
            assert [json.loads(line)["id"] for line in exported] == ids[::-1]
            return ids[::-1]

        ids = [entry["id"] for entry in history]
        assert found(action="set_secret") == ids[2:5]
        assert found(action="set_secret", target="B") == ids[3:4]
        assert found(user_id=str(history[0]["user_id"])) == ids
        assert found(result="denied") == []
        assert found(since=history[3]["at"]) == ids[3:]
        assert found(until=history[3]["at"]) == ids[:3]

    def test_export_is_json_lines(self, admin: TestClient, history: list[dict[str, Any]]) -> None:
        answer = admin.get(f"{V1}/audit/export")
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert [json.loads(line) for line in answer.text.splitlines()] == history

    @pytest.mark.parametrize(
        "parameters",
        [
            {"limit": 0},
            {"limit": 1001},
            {"cursor": "x"},
            {"cursor": "9" * 30},
            {"result": "good"},
            {"since": "yesterday"},
            {"since": "2026-01-01T00:00:00"},
            {"since": "0001-01-01T00:00:00+23:00"},
            {"until": "9999-12-31T23:59:59-23:00"},
            {"since": "1700000000"},
            {"until": "0.0"},
        ],
    )
    def test_impossible(self, admin: TestClient, parameters: dict[str, Any]) -> None:
        answer = admin.get(f"{V1}/audit", params=parameters)
        assert answer.status_code == 422
        assert answer.json()["error"]["errors"][0]["field"] in parameters

    def test_nothing_changes_it(self, admin: TestClient) -> None:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert admin.request(method, f"{V1}/audit").status_code == 405
            assert admin.request(method, f"{V1}/audit/1").status_code == 404
