from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from finery.contracts.accounts import AuditEntry, AuditFilter
from finery.contracts.permissions import Level
from finery.db import Database
from finery.domain import audit
from tests.builders import RUN, write_rows
from tests.domain.accounts import people
from tests.http.accounts import at_address, bearer, key_of_new_user

JOB = {"job_id": "a", "model_name": "m", "dataset": "d"}


@pytest.fixture
def database(app: FastAPI, client: TestClient) -> Database:
    found: Database = app.state.services.database
    return found


@pytest.fixture
def viewer(database: Database) -> str:
    people.first_admin(database)
    return key_of_new_user(database, "ada", Level.VIEWER)


def entries(database: Database) -> list[AuditEntry]:
    """Newest first."""
    with database.read() as session:
        return audit.list_page(session, AuditFilter(), limit=1000).entries


class TestNoteChange:
    def test_every_dialect(self, client: TestClient, database: Database) -> None:
        client.post("/jobs", json=JOB)
        client.post("/jobs/a/cancel")
        client.put("/api/v1/secrets/A", json={"value": "0123456789"})
        secret, cancelled, created = entries(database)
        assert (secret.action, secret.target, secret.details) == ("set_secret", "A", {"path": "/api/v1/secrets/A"})
        changes = ["status: queued → cancelled", "reason: none → cancelled"]
        assert (cancelled.target, cancelled.details) == ("a", {"path": "/jobs/a/cancel", "changes": changes})
        assert (created.user_name, created.address, created.result) == ("local administrator", "127.0.0.1", "ok")
        assert created.target == "a"

    def test_what_is_new_is_named(self, client: TestClient, database: Database, home: Path) -> None:
        write_rows(home)
        run = client.post("/api/v1/runs", json=RUN).json()["id"]
        deployment = client.post("/api/v1/deployments", json={"model": "finery/tiny-llama"}).json()["id"]
        dataset = client.post("/api/v1/datasets", files={"file": ("a.jsonl", b"{}")}).json()["id"]
        upload = client.post("/upload/dataset", files={"file": ("a.jsonl", b"{}")}).json()["file_path"]
        assert [entry.target for entry in entries(database)] == [upload, dataset, deployment, run]

    def test_what_was_changed(self, client: TestClient, database: Database, home: Path) -> None:
        write_rows(home)
        run = client.post("/api/v1/runs", json=RUN).json()["id"]
        deployment = client.post("/api/v1/deployments", json={"model": "finery/tiny-llama"}).json()["id"]
        dataset = client.post("/api/v1/datasets", files={"file": ("a.jsonl", b"{}")}).json()["id"]
        job = client.post("/jobs", json=JOB).json()["id"]
        client.patch(f"/api/v1/runs/{run}", json={"shared": True, "name": "tickets"})
        client.patch(f"/api/v1/runs/{run}", json={"labels": {"team": "a"}})
        client.patch(f"/api/v1/deployments/{deployment}", json={"shared": True})
        client.patch(f"/api/v1/datasets/{dataset}", json={"name": "b", "shared": True})
        client.patch(f"/jobs/{job}/status", json={"status": "running"})
        client.patch(f"/api/v1/runs/{run}", json={"shared": True})
        changes = [entry.details.get("changes", []) for entry in reversed(entries(database)[:6])]
        assert changes == [
            ["shared: false → true", "name: none → tickets"],
            ['labels: none → {"team": "a"}'],
            ["shared: false → true"],
            ["shared: false → true", "name: a → b"],
            ["status: queued → running"],
            [],
        ]

    def test_what_was_changed_of_a_user(self, client: TestClient, database: Database) -> None:
        people.first_admin(database)
        admin = bearer(key_of_new_user(database, "ada", Level.ADMIN))
        new = {"username": "mina", "email": "mina@example.org"}
        user = client.post("/api/v1/users", json=new, headers=admin).json()["id"]
        sent = {"levels": ["lead"], "username": "mina.k", "password": "a new password"}
        client.patch(f"/api/v1/users/{user}", json=sent, headers=admin)
        client.patch(f"/api/users/{user}", json={"is_admin": True, "is_active": False}, headers=admin)
        client.delete(f"/api/v1/users/{user}", headers=admin)
        deleted, demoted, changed, created = entries(database)[:4]
        assert {entry.user_name for entry in (deleted, demoted, changed, created)} == {"ada"}
        assert {entry.target for entry in (deleted, demoted, changed, created)} == {user}
        assert [entry.details["target_name"] for entry in (created, changed, deleted)] == ["mina", "mina", "mina.k"]
        assert changed.details["changes"] == [
            "username: mina → mina.k",
            "levels: researcher → lead",
            "password: changed",
        ]
        assert demoted.details["changes"] == ["levels: lead → lead, admin", "is_active: true → false"]

    def test_of_a_webhook_no_address(self, client: TestClient, database: Database) -> None:
        new = {"url": "https://hooks.example.org/T0/old-secret", "name": "ours"}
        webhook = client.post("/api/v1/webhooks", json=new).json()["id"]
        changes = {"url": "https://hooks.example.org/T0/new-secret", "enabled": False}
        client.patch(f"/api/v1/webhooks/{webhook}", json=changes)
        entry = entries(database)[0]
        assert entry.details["changes"][0] == "url: changed"
        assert "enabled: true → false" in entry.details["changes"]

    def test_reading_leaves_none(self, client: TestClient, database: Database) -> None:
        client.get("/jobs")
        client.get("/api/v1/runs")
        assert entries(database) == []

    def test_what_was_refused_changed_nothing(self, client: TestClient, database: Database) -> None:
        client.post("/jobs", json=JOB)
        assert client.post("/jobs", json=JOB).status_code == 409
        assert len(entries(database)) == 1


class TestNoteDenial:
    def test_who_may_not(self, client: TestClient, database: Database, viewer: str) -> None:
        assert client.delete("/api/v1/runs/some", headers=bearer(viewer)).status_code == 403
        [entry] = entries(database)
        assert (entry.user_name, entry.target, entry.result) == ("ada", "some", "denied")
        assert entry.details == {"path": "/api/v1/runs/some", "code": "permission_missing"}

    def test_who_is_unknown(self, client: TestClient, database: Database, viewer: str) -> None:
        client.get("/api/v1/runs", headers=bearer("st_guess"))
        [entry] = entries(database)
        assert (entry.user_id, entry.user_name, entry.action) == (None, "nobody", "list_runs")
        assert entry.details == {"path": "/api/v1/runs", "code": "key_refused"}

    def test_without_accounts_from_elsewhere(self, app: FastAPI, database: Database) -> None:
        at_address(app, "192.0.2.7").get("/jobs")
        [entry] = entries(database)
        assert (entry.address, entry.details["code"]) == ("192.0.2.7", "loopback_only")

    def test_a_guess_at_ones_own_password(self, client: TestClient, database: Database, viewer: str) -> None:
        body = {"current_password": "a guess", "new_password": "something new"}
        assert client.post("/api/v1/me/password", json=body, headers=bearer(viewer)).status_code == 422
        [entry] = entries(database)
        assert (entry.user_name, entry.action, entry.result) == ("ada", "change_password", "denied")
        assert entry.details == {"path": "/api/v1/me/password", "code": "wrong_password"}

    def test_other_refusals_are_none(self, client: TestClient, database: Database, viewer: str) -> None:
        assert client.get("/api/v1/runs/none", headers=bearer(viewer)).status_code == 404
        assert client.get("/api/v1/runs?limit=0", headers=bearer(viewer)).status_code == 422
        assert entries(database) == []

    def test_of_one_address_so_many(self, app: FastAPI, client: TestClient, database: Database, viewer: str) -> None:
        for _ in range(70):
            assert at_address(app, "192.0.2.7").get("/api/v1/runs").status_code == 401
        at_address(app, "192.0.2.8").get("/api/v1/runs")
        found = [entry.address for entry in entries(database)]
        assert found == ["192.0.2.8"] + ["192.0.2.7"] * 60

    def test_a_refused_login_cannot_be_hidden(
        self, app: FastAPI, client: TestClient, database: Database, viewer: str
    ) -> None:
        stranger = at_address(app, "192.0.2.7")
        for _ in range(61):
            stranger.get("/api/v1/runs")
        stranger.post("/api/v1/login", json={"login": "root", "password": "wrong horse"})
        newest, before, *_ = entries(database)
        assert (newest.action, newest.result, newest.details["login"]) == ("login", "failed", "root")
        assert before.action == "list_runs"

    def test_an_answer_does_not_fail_with_the_log(
        self, client: TestClient, database: Database, viewer: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise OperationalError("INSERT", {}, Exception("database is locked"))

        monkeypatch.setattr("finery.domain.audit.record", fail)
        assert client.get("/api/v1/runs").status_code == 401
