"""The guide's commands concerning accounts, and what the contract says beyond them."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from finery.contracts.permissions import PERMISSIONS_OF_LEVEL, Level
from tests.http.accounts import SETUP, at_address
from tests.servers import RunningServer

USER_FIELDS = {
    "id", "email", "username", "display_name", "is_admin", "is_active",
    "level_names", "permissions", "created_at", "last_login_at",
}  # fmt: skip
KEY_FIELDS = {
    "id", "name", "key_prefix", "created_at", "last_used_at", "expires_at", "is_active", "scoped_permissions"
}  # fmt: skip
NEW_USER = {"email": "researcher@example.com", "username": "researcher", "password": "their-password"}

GUIDE = """
curl -s http://localhost:8001/api/cloud/auth/setup/status

curl -s -X POST http://localhost:8001/api/cloud/auth/setup/first-admin \\
  -H 'Content-Type: application/json' \\
  -d '{
    "email": "admin@example.com",
    "username": "admin",
    "password": "your-secure-password"
  }'

curl -s -X POST http://localhost:8001/api/cloud/auth/login \\
  -H 'Content-Type: application/json' \\
  -c cookies.txt \\
  -d '{"username": "admin", "password": "your-secure-password"}'

curl -s -X POST http://localhost:8001/api/cloud/auth/api-keys \\
  -H 'Content-Type: application/json' \\
  -b cookies.txt \\
  -d '{"name": "automation-key"}'

curl -s -X POST http://localhost:8001/api/users \\
  -H 'Content-Type: application/json' \\
  -b cookies.txt \\
  -d '{
    "email": "researcher@example.com",
    "username": "researcher",
    "password": "their-password",
    "level_names": ["researcher"]
  }'

curl -s http://localhost:8001/api/cloud/auth/me \\
  -H 'X-API-Key: st_your_key_here'
"""


@pytest.fixture(params=["/api/cloud/auth", "/api/auth"])
def auth(request: pytest.FixtureRequest) -> str:
    prefix: str = request.param
    return prefix


@pytest.fixture
def admin(client: TestClient) -> TestClient:
    assert client.post("/api/auth/setup/first-admin", json=SETUP).status_code == 200
    return client


class TestGuide:
    def test_commands(self, server: RunningServer, tmp_path: Path) -> None:
        environment = {"PATH": os.environ["PATH"], "NO_PROXY": "*"}
        answers, key = [], ""
        for command in re.split(r"\n\n", GUIDE.strip()):
            words = shlex.split(command.replace("\\\n", " "))
            words = [word.replace("8001", str(server.port)).replace("st_your_key_here", key) for word in words]
            ended = subprocess.run(
                words, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
            )
            answers.append(json.loads(ended.stdout))
            key = answers[-1].get("key", key)
        status, first, login, made, user, me = answers
        assert status == {"needs_setup": True, "has_admin": False, "user_count": 0, "registration_enabled": False}
        assert first.keys() == login.keys() == {"success", "user", "message"}
        assert first["success"] is login["success"] is True
        assert made.keys() == {"key", "key_info"}
        assert made["key"].startswith("st_")
        assert user["level_names"] == ["researcher"]
        assert me["username"] == "admin"


class TestSetup:
    def test_once_and_logged_in(self, client: TestClient, auth: str) -> None:
        answer = client.post(f"{auth}/setup/first-admin", json={**SETUP, "display_name": "뿌리"})
        found = answer.json()
        assert found["user"].keys() == USER_FIELDS
        assert (found["user"]["is_admin"], found["user"]["display_name"]) == (True, "뿌리")
        assert "finery_session" in client.cookies
        assert client.get(f"{auth}/me").json() == found["user"]
        assert client.get(f"{auth}/setup/status").json()["needs_setup"] is False
        again = client.post(f"{auth}/setup/first-admin", json={**SETUP, "username": "b", "email": "b@example.org"})
        assert again.status_code == 409
        assert again.json() == {"detail": "the first administrator exists already; log in", "errors": []}


class TestLogin:
    @pytest.mark.parametrize(
        "actor", [{"username": "root"}, {"username": "root@example.org"}, {"email": "root@example.org"}]
    )
    def test_by_name_or_address(self, admin: TestClient, app: FastAPI, auth: str, actor: dict[str, str]) -> None:
        browser = at_address(app, "127.0.0.1")
        answer = browser.post(f"{auth}/login", json={**actor, "password": SETUP["password"], "remember_me": True})
        assert answer.json().keys() == {"success", "user", "message"}
        assert "Max-Age=7776000" in answer.headers["set-cookie"]
        assert browser.get(f"{auth}/me").status_code == 200
        assert browser.post(f"{auth}/logout").json()["success"] is True
        assert browser.get(f"{auth}/me").status_code == 401

    def test_another_login_ends_the_session_before_it(self, admin: TestClient, app: FastAPI, auth: str) -> None:
        old = admin.cookies["finery_session"]
        body = {"username": "root", "password": SETUP["password"]}
        assert admin.post(f"{auth}/login", json=body).status_code == 200
        assert admin.get(f"{auth}/me").status_code == 200
        browser = at_address(app, "127.0.0.1")
        browser.cookies.set("finery_session", old)
        answer = browser.post(f"{auth}/logout")
        assert (answer.status_code, answer.json()["detail"]) == (401, "the session has ended; log in again")
        assert "Max-Age=0" in answer.headers["set-cookie"]

    def test_wrong_then_too_often(self, admin: TestClient, auth: str) -> None:
        body = {"username": "root", "password": "wrong horse"}
        answers = [admin.post(f"{auth}/login", json=body) for _ in range(21)]
        assert [answer.status_code for answer in answers] == [401] * 20 + [429]
        assert "Retry-After" in answers[-1].headers
        assert answers[-1].json()["detail"].startswith("too many attempts")

    def test_both_prefixes_count_together(self, admin: TestClient) -> None:
        body = {"username": "root", "password": "wrong horse"}
        for prefix in ("/api/auth", "/api/cloud/auth") * 10:
            assert admin.post(f"{prefix}/login", json=body).status_code == 401
        answer = admin.post("/api/v1/login", json={"login": "root", "password": "wrong horse"})
        assert answer.status_code == 429

    def test_nobody_registers(self, admin: TestClient, auth: str) -> None:
        assert admin.post(f"{auth}/register", json=NEW_USER).status_code == 404

    def test_who_is_nobody(self, client: TestClient, auth: str) -> None:
        assert client.get(f"{auth}/me").status_code == 409


class TestKeys:
    def test_made_listed_revoked(self, admin: TestClient, app: FastAPI, auth: str) -> None:
        made = admin.post(f"{auth}/api-keys", json={"name": "automation-key", "expires_days": 1}).json()
        assert made["key_info"].keys() == KEY_FIELDS
        assert made["key"].startswith(made["key_info"]["key_prefix"])
        script = at_address(app, "127.0.0.1", **{"X-API-Key": made["key"]})
        assert script.get(f"{auth}/me").json()["username"] == "root"
        [listed] = admin.get(f"{auth}/api-keys").json()
        assert listed.keys() == KEY_FIELDS
        assert admin.delete(f"{auth}/api-keys/{listed['id']}").json()["success"] is True
        assert script.get(f"{auth}/me").status_code == 401
        assert admin.delete(f"{auth}/api-keys/none").status_code == 404

    def test_scopes(self, admin: TestClient, app: FastAPI, auth: str) -> None:
        scopes = ["account:self", "runs:read"]
        made = admin.post(f"{auth}/api-keys", json={"name": "k", "scoped_permissions": scopes}).json()
        assert made["key_info"]["scoped_permissions"] == scopes
        script = at_address(app, "127.0.0.1", **{"X-API-Key": made["key"]})
        assert script.get(f"{auth}/me").json()["permissions"] == scopes
        assert script.get("/api/users").status_code == 403

    def test_unknown_scope_names_the_nearest(self, admin: TestClient, auth: str) -> None:
        answer = admin.post(f"{auth}/api-keys", json={"name": "k", "scoped_permissions": ["run:read"]})
        assert answer.status_code == 422
        assert "did you mean runs:read" in answer.json()["detail"]


class TestUsers:
    def test_defaults(self, admin: TestClient) -> None:
        answer = admin.post("/api/users", json=NEW_USER)
        assert answer.status_code == 201
        user = answer.json()
        assert user.keys() == USER_FIELDS
        assert (user["level_names"], user["is_admin"]) == (["researcher"], False)
        assert user["permissions"] == sorted(PERMISSIONS_OF_LEVEL[Level.RESEARCHER])
        assert admin.get(f"/api/users/{user['id']}").json() == user
        assert [found["username"] for found in admin.get("/api/users").json()] == ["researcher", "root"]
        assert admin.delete(f"/api/users/{user['id']}").json()["success"] is True
        assert admin.get(f"/api/users/{user['id']}").status_code == 404

    @pytest.mark.parametrize(
        ("fields", "levels"),
        [
            ({"is_admin": True}, ["researcher", "admin"]),
            ({"is_admin": True, "level_names": ["admin"]}, ["admin"]),
            ({"is_admin": False, "level_names": ["admin"]}, ["admin"]),
            ({"level_names": ["lead", "viewer"]}, ["lead", "viewer"]),
            ({"password": None}, ["researcher"]),
        ],
    )
    def test_levels(self, admin: TestClient, fields: dict[str, Any], levels: list[str]) -> None:
        user = admin.post("/api/users", json={**NEW_USER, **fields}).json()
        assert (user["level_names"], user["is_admin"]) == (levels, "admin" in levels)

    @pytest.mark.parametrize(
        ("changes", "levels"),
        [
            ({"is_admin": True}, ["lead", "admin"]),
            ({"is_admin": False}, ["lead"]),
            ({"level_names": ["viewer"]}, ["viewer"]),
            ({"level_names": ["viewer"], "is_admin": True}, ["viewer", "admin"]),
            ({"level_names": ["admin"], "is_admin": False}, ["researcher"]),
            ({"display_name": "이름"}, ["lead"]),
        ],
    )
    def test_changes(self, admin: TestClient, changes: dict[str, Any], levels: list[str]) -> None:
        user = admin.post("/api/users", json={**NEW_USER, "level_names": ["lead"]}).json()
        changed = admin.patch(f"/api/users/{user['id']}", json=changes).json()
        assert changed["level_names"] == levels
        assert changed["display_name"] == changes.get("display_name")
        assert changed["email"] == user["email"]

    @pytest.mark.parametrize("changes", [{"is_admin": True}, {"is_admin": False}, {"level_names": ["viewer"]}])
    def test_nothing_is_read_before_the_user_is_locked(
        self, admin: TestClient, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
    ) -> None:
        user = admin.post("/api/users", json=NEW_USER).json()
        monkeypatch.setattr("finery.domain.accounts.get_user", None)
        assert admin.patch(f"/api/users/{user['id']}", json=changes).status_code == 200

    @pytest.mark.parametrize("fields", [{"level_names": ["resercher"]}, {"level_names": []}, {"levels": ["viewer"]}])
    def test_impossible(self, admin: TestClient, fields: dict[str, Any]) -> None:
        answer = admin.post("/api/users", json={**NEW_USER, **fields})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"].startswith("level")

    def test_an_administrators_matter(self, admin: TestClient, app: FastAPI) -> None:
        admin.post("/api/users", json=NEW_USER)
        researcher = at_address(app, "127.0.0.1")
        body = {"username": NEW_USER["username"], "password": NEW_USER["password"]}
        assert researcher.post("/api/auth/login", json=body).status_code == 200
        assert researcher.get("/api/users").status_code == 403
        assert researcher.post("/api/users", json={**NEW_USER, "username": "c"}).status_code == 403
