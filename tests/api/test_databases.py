"""What reaches the database from outside, on each kind of database."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from finery.app.asgi import build_app
from finery.app.composition import Composition
from finery.app.settings import Settings
from finery.db import Database
from tests.idle import IdleScheduler

pytestmark = pytest.mark.every_database

JOB: dict[str, Any] = {"job_id": "a", "model_name": "m", "dataset": "d"}


@pytest.fixture
def client(database: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr("finery.app.composition.Scheduler", IdleScheduler)
    monkeypatch.setenv("TRAINING_DB_URL", database.url.render_as_string(hide_password=False))
    app = build_app(Composition(Settings(home=home, cpu_slots=2, warm_start="off")))
    with TestClient(app, base_url="http://127.0.0.1:8001", client=("127.0.0.1", 50000)) as client:
        yield client


class TestOddText:
    @pytest.mark.parametrize(
        "text",
        ["\N{GRINNING FACE}", "모델 モデル 模型", "a\u2028b", "x" * 4000, "%s %d {} :a", "' OR ''='", "\\", "Ünï"],
    )
    def test_comes_back_as_it_was(self, client: TestClient, text: str) -> None:
        # A key has at most 500 characters.
        parameters = {text[:500]: [text, 1e300, 2**60]}
        client.post("/jobs", json={**JOB, "model_name": text, "hyperparameters": parameters})
        job = client.get("/jobs/a").json()
        assert (job["model_name"], job["hyperparameters"]) == (text, parameters)

    @pytest.mark.parametrize("change", [{"model_name": "a\0b"}, {"hyperparameters": {"a": "\0"}}, {"job_id": "\0"}])
    def test_nul_is_kept_or_refused(self, client: TestClient, change: dict[str, Any]) -> None:
        answer = client.post("/jobs", json={**JOB, **change})
        assert answer.status_code in (201, 422)
        assert client.get("/jobs").status_code == 200

    @pytest.mark.parametrize("path", ["/jobs/%00", "/api/v1/runs/%00", "/api/v1/deployments/%00"])
    def test_nul_in_an_address(self, client: TestClient, path: str) -> None:
        assert client.get(path).status_code in (404, 422)

    def test_ids_differ_by_case(self, client: TestClient) -> None:
        codes = [client.post("/jobs", json={**JOB, "job_id": name}).status_code for name in ("a", "A", "á", "a ")]
        assert codes == [201, 201, 201, 422]

    @pytest.mark.parametrize("query", ["label=a=b", "label=a.b=c", "label=$=x", "label=a'b=c", "label=a b=%00"])
    def test_labels(self, client: TestClient, query: str) -> None:
        assert client.get(f"/api/v1/runs?{query}").status_code in (200, 422)


class TestAtOnce:
    def test_one_key_many_requests(self, client: TestClient) -> None:
        def submit(_: int) -> str:
            answer = client.post("/jobs", json=JOB, headers={"Idempotency-Key": "k"})
            assert answer.status_code == 201, answer.text
            return answer.text

        with ThreadPoolExecutor(10) as pool:
            assert len(set(pool.map(submit, range(50)))) == 1

    def test_one_id_many_requests(self, client: TestClient) -> None:
        with ThreadPoolExecutor(10) as pool:
            codes = list(pool.map(lambda _: client.post("/jobs", json=JOB).status_code, range(30)))
        assert sorted(codes) == [201] + [409] * 29

    def test_many_reports_one_end(self, client: TestClient) -> None:
        client.post("/jobs", json=JOB)
        words = ["succeeded", "failed", "cancelled"] * 10

        def report(word: str) -> int:
            return client.patch("/jobs/a/status", json={"status": word}).status_code

        with ThreadPoolExecutor(10) as pool:
            codes = list(pool.map(report, words))
        ends = [event["data"]["to"] for event in client.get("/api/v1/runs/a/events").json()["events"]][1:]
        assert len(ends) == 1
        assert set(codes) <= {200, 409}


class TestAccounts:
    ROOT = {"email": "root@example.org", "username": "root", "password": "correct horse"}

    def test_a_users_whole_life(self, client: TestClient) -> None:
        assert client.post("/api/v1/setup", json={**self.ROOT, "display_name": "뿌리 🌱"}).status_code == 201
        assert client.get("/api/v1/me").json()["user"]["display_name"] == "뿌리 🌱"
        new = {"email": "Ü@example.org", "username": "ada", "password": "correct horse"}
        user_id = client.post("/api/v1/users", json=new).json()["id"]
        assert client.post("/api/v1/users", json={**new, "username": "Ada2"}).status_code == 409
        key = client.post("/api/v1/keys", json={"name": "열쇠", "scoped_permissions": ["account:self"]}).json()
        assert client.get("/api/v1/me", headers={"X-API-Key": key["key"]}).json()["is_scoped"] is True
        assert client.put("/api/v1/secrets/A", json={"value": "0123456789"}).status_code == 200
        assert client.delete(f"/api/v1/users/{user_id}").status_code == 204
        entries = client.get("/api/v1/audit", params={"target": user_id}).json()["entries"]
        assert [entry["action"] for entry in entries] == ["delete_user", "create_user"]
        assert len(client.get("/api/v1/audit/export").text.splitlines()) == 6
        assert client.post("/api/v1/logout").status_code == 204

    def test_many_first_administrators_at_once(self, client: TestClient) -> None:
        def set_up(number: int) -> int:
            body = {**self.ROOT, "username": f"root{number}", "email": f"root{number}@example.org"}
            return client.post("/api/v1/setup", json=body).status_code

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(set_up, range(8))) == [201] + [409] * 7

    def test_many_logins_at_once(self, client: TestClient) -> None:
        client.post("/api/v1/setup", json=self.ROOT)

        def log_in(_: int) -> int:
            body = {"login": "root", "password": self.ROOT["password"]}
            return client.post("/api/v1/login", json=body).status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(log_in, range(16))) == {200}

    def test_what_cannot_be_stored(self, client: TestClient) -> None:
        client.post("/api/v1/setup", json=self.ROOT)
        for text in ("\ufffe", "x" * 200):
            assert client.post("/api/v1/login", json={"login": text, "password": text}).status_code == 401
            assert client.get("/api/v1/audit", params={"action": text, "target": text}).json()["entries"] == []
        for text in ("\0", "a\0b"):
            assert client.post("/api/v1/login", json={"login": text, "password": text}).status_code == 422
            assert client.get("/api/v1/audit", params={"action": text}).status_code == 422
        for path in ("users/%00", "keys/%00", "secrets/%00", "server-secrets/%00"):
            assert client.delete(f"/api/v1/{path}").status_code == 404
        for name in ("\0", "\u202e"):
            assert client.post("/api/v1/keys", json={"name": name}).status_code == 422
            new = {"email": "a@example.org", "username": "ada", "display_name": name}
            assert client.post("/api/v1/users", json=new).status_code == 422
