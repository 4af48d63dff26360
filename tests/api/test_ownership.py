"""Ann, Bob and a lead with their keys: what each sees over HTTP, on every route that names a run or a deployment."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from finery.contracts.deployment import DeploymentStatus
from finery.contracts.permissions import Level, Principal, permissions_of
from finery.domain import accounts, deployments
from finery.http.services import Services
from finery.models import ArtifactRow, DeploymentRow, RunRow
from tests.builders import RUN, write_rows
from tests.domain.accounts import people
from tests.http.fake_engine import FakeEngine

MODEL = "finery/tiny-llama"
CHAT = {"instruction": "Hello"}
Keys = dict[str, dict[str, str]]
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("patch", "/api/v1/runs/{run_id}"): {"shared": True},
    ("patch", "/api/v1/deployments/{deployment_id}"): {"shared": True},
    ("patch", "/jobs/{job_id}/status"): {"status": "running"},
    ("post", "/api/v1/deployments/{deployment_id}/chat/completions"): {"messages": []},
    ("post", "/api/v1/deployments/{deployment_id}/completions"): {"prompt": ""},
}


@pytest.fixture
def services(client: TestClient) -> Services:
    found: Services = client.app.state.services  # type: ignore[attr-defined]
    return found


@pytest.fixture
def keys(services: Services, home: Path) -> Keys:
    """The header of each user."""
    people.first_admin(services.database)
    write_rows(home)
    return {name: key_of(services, name, level) for name, level in LEVELS.items()}


LEVELS = {"ann": Level.RESEARCHER, "bob": Level.RESEARCHER, "lead": Level.LEAD}


def key_of(services: Services, name: str, level: Level) -> dict[str, str]:
    user = people.user(services.database, name, level)
    with services.database.write() as session:
        principal = Principal(user.id, name, permissions_of([level]))
        return {"Authorization": f"Bearer {accounts.create_key(session, principal, name='test').key}"}


@pytest.fixture
def anns(client: TestClient, services: Services, keys: Keys, home: Path) -> dict[str, str]:
    """What Ann has, by the name of its parameter."""
    client.post("/api/v1/runs", headers=keys["ann"], json={**RUN, "id": "anns"}).raise_for_status()
    answer = client.post("/api/v1/deployments", headers=keys["ann"], json={"model": MODEL})
    (home / "model.bin").write_bytes(b"of ann")
    with services.database.write() as session:
        row = session.query(RunRow).one()
        artifact = ArtifactRow(
            run_number=row.number, name="m", type="file", path=str(home / "model.bin"), size_bytes=6, tags=[],
            created_at=row.created_at,
        )  # fmt: skip
        session.add(artifact)
        session.flush()
        number = artifact.id
    return {"run_id": "anns", "job_id": "anns", "deployment_id": answer.json()["id"], "artifact_id": str(number)}


def routes_of(client: TestClient, names: set[str]) -> Iterator[tuple[str, str]]:
    """Method and path of every route whose parameters are among `names`."""
    for path, methods in client.app.openapi()["paths"].items():  # type: ignore[attr-defined]
        asked = {part.partition("}")[0] for part in path.split("{")[1:]}
        if asked and asked <= names:
            yield from ((method, path) for method in methods)


def ask(client: TestClient, method: str, path: str, values: dict[str, str], headers: dict[str, str]) -> tuple[int, str]:
    body = BODIES.get((method, path))
    query = {"q": "x"} if path.endswith("/search") else {}
    answer = client.request(method, path.format(**values), headers=headers, json=body, params=query)
    return answer.status_code, answer.text


class TestEveryRoute:
    def test_anothers_private_object_is_as_none(self, client: TestClient, keys: Keys, anns: dict[str, str]) -> None:
        nowhere = {**anns, "run_id": "none", "job_id": "none", "deployment_id": "none"}
        found = list(routes_of(client, set(anns)))
        assert len(found) > 20
        for method, path in found:
            status, text = ask(client, method, path, anns, keys["bob"])
            assert (status, path) == (404, path)
            expected = ask(client, method, path, nowhere, keys["bob"])[1]
            assert text == expected.replace("none", anns["deployment_id" if "deployment" in path else "run_id"])

    def test_its_owner_finds_it(self, client: TestClient, keys: Keys, anns: dict[str, str]) -> None:
        for method, path in sorted(routes_of(client, set(anns))):
            if method == "get" and not path.endswith("stream"):
                assert ask(client, method, path, anns, keys["ann"])[0] == 200

    def test_a_shared_one_is_read_and_not_changed(self, client: TestClient, keys: Keys, anns: dict[str, str]) -> None:
        for path in ("/api/v1/runs/anns", f"/api/v1/deployments/{anns['deployment_id']}"):
            assert client.patch(path, headers=keys["ann"], json={"shared": True}).json()["shared"] is True
        for method, path in sorted(routes_of(client, set(anns))):
            if path.endswith("stream"):
                continue
            status = ask(client, method, path, anns, keys["bob"])[0]
            is_read = method == "get" or path.endswith("completions")
            # The engine is not running.
            assert (status, method, path) == (503 if "completions" in path else 200 if is_read else 403, method, path)

    def test_the_refusal_has_a_code(self, client: TestClient, keys: Keys, anns: dict[str, str]) -> None:
        client.patch("/api/v1/runs/anns", headers=keys["ann"], json={"shared": True})
        answer = client.delete("/api/v1/runs/anns", headers=keys["bob"])
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_yours")


class TestStream:
    def test_a_shared_runs_events_are_streamed_to_all(
        self, client: TestClient, keys: Keys, anns: dict[str, str]
    ) -> None:
        client.patch("/api/v1/runs/anns", headers=keys["ann"], json={"shared": True})
        client.post("/api/v1/runs/anns/cancel", headers=keys["ann"])
        text = client.get("/api/v1/runs/anns/events/stream", headers=keys["bob"]).text
        assert [json.loads(line[6:])["data"]["to"] for line in text.splitlines() if line.startswith("data: ")] == [
            "queued",
            "cancelled",
        ]


class TestLists:
    @pytest.mark.parametrize("path", ["/jobs", "/api/v1/runs", "/api/v1/deployments"])
    def test_each_sees_theirs(self, client: TestClient, keys: Keys, anns: dict[str, str], path: str) -> None:
        def seen_by(name: str) -> int:
            body = client.get(path, headers=keys[name]).json()
            return len(body if isinstance(body, list) else body.get("runs", body.get("deployments")))

        assert (seen_by("ann"), seen_by("bob"), seen_by("lead")) == (1, 0, 1)
        client.patch("/api/v1/runs/anns", headers=keys["lead"], json={"shared": True})
        client.patch(f"/api/v1/deployments/{anns['deployment_id']}", headers=keys["lead"], json={"shared": True})
        assert seen_by("bob") == 1

    def test_the_servers_metrics_count_all(self, client: TestClient, keys: Keys, anns: dict[str, str]) -> None:
        assert 'finery_runs{status="queued"} 1.0' in client.get("/metrics", headers=keys["bob"]).text


class TestCreate:
    def test_shared_from_the_beginning(self, client: TestClient, keys: Keys) -> None:
        made = client.post("/api/v1/runs", headers=keys["ann"], json={**RUN, "id": "r", "shared": True}).json()
        body = {"model": MODEL, "shared": True}
        deployment = client.post("/api/v1/deployments", headers=keys["ann"], json=body).json()
        assert (made["shared"], deployment["shared"]) == (True, True)
        seen = client.get("/api/v1/runs/r", headers=keys["bob"]).json()
        assert seen["owner_id"] == made["owner_id"] == deployment["owner_id"] is not None

    def test_the_jobs_dialect_too_has_owners(self, client: TestClient, keys: Keys) -> None:
        job = {"job_id": "job", "model_name": "m", "dataset": "d"}
        assert client.post("/jobs", headers=keys["ann"], json=job).status_code == 201
        assert client.get("/jobs/job", headers=keys["bob"]).status_code == 404
        assert client.get("/jobs/job", headers=keys["ann"]).status_code == 200

    def test_equal_keys_of_two_users(self, client: TestClient, keys: Keys) -> None:
        made = [
            client.post("/api/v1/runs", headers={**keys[name], "Idempotency-Key": "k"}, json=RUN).json()["id"]
            for name in ("ann", "bob", "ann")
        ]
        assert (made[0] == made[2], made[0] == made[1]) == (True, False)


class TestChange:
    @pytest.mark.parametrize(
        "body", [{"owner_id": "x"}, {"name": "x" * 201}, {"labels": {"a": 1}}, {"status": "failed"}]
    )
    def test_refuses(self, client: TestClient, keys: Keys, anns: dict[str, str], body: dict[str, Any]) -> None:
        assert client.patch("/api/v1/runs/anns", headers=keys["ann"], json=body).status_code == 422

    def test_name_and_labels(self, client: TestClient, keys: Keys, anns: dict[str, str]) -> None:
        body = {"name": "이름", "labels": {"team": "x"}}
        client.patch("/api/v1/runs/anns", headers=keys["ann"], json=body)
        run = client.get("/api/v1/runs/anns", headers=keys["ann"]).json()
        assert {key: run[key] for key in body} == body
        page = client.get("/api/v1/runs", headers=keys["ann"], params={"label": "team=x"}).json()
        assert [found["id"] for found in page["runs"]] == ["anns"]


class TestArtifacts:
    """What lies in the place of an artifact now may be another's."""

    @pytest.mark.parametrize("is_marked", [True, False])
    def test_what_another_run_put_in_its_place(
        self, client: TestClient, services: Services, keys: Keys, anns: dict[str, str], home: Path, is_marked: bool
    ) -> None:
        folder = home / "outputs" / "bot"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"weights")
        with services.database.write() as session:
            session.get_one(ArtifactRow, int(anns["artifact_id"])).path = str(folder)
        address = f"/api/v1/runs/anns/artifacts/{anns['artifact_id']}/content"
        assert client.get(address, headers=keys["ann"]).json()["files"]

        if is_marked:
            (folder / "finery.json").write_text('{"run_id": "bobs"}')
        else:
            body = {**RUN, "id": "bobs", "config": {**RUN["config"], "output_dir": "outputs/bot"}}
            folder.rename(home / "aside")
            client.post("/api/v1/runs", headers=keys["bob"], json=body).raise_for_status()
            (home / "aside").rename(folder)
        for query in ("", "?path=model.safetensors"):
            answer = client.get(address + query, headers=keys["ann"])
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "artifact_not_found")


class TestLoadModel:
    def test_each_user_has_a_model_of_their_own(self, client: TestClient, services: Services, keys: Keys) -> None:
        with FakeEngine() as one, FakeEngine() as other:
            for name, engine in (("ann", one), ("bob", other)):
                starter = threading.Thread(target=start_engine, args=(services, engine.port))
                starter.start()
                answer = client.post("/load_model", headers=keys[name], params={"model_path": MODEL})
                starter.join()
                assert answer.status_code == 200
            for name in ("ann", "bob"):
                assert client.get("/health", headers=keys[name]).json()["model_loaded"] is True
                assert client.post("/chat", headers=keys[name], json=CHAT).status_code == 200
        assert client.get("/health", headers=keys["lead"]).json()["model_loaded"] is False
        assert client.post("/chat", headers=keys["lead"], json=CHAT).status_code == 503


def start_engine(services: Services, port: int) -> None:
    """What the scheduler does with a deployment, once there is one."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with services.database.write() as session:
            for live in deployments.list_live(session):
                if live.deployment.status is DeploymentStatus.STARTING:
                    claim = deployments.claim(session, live.deployment.id, services.context)
                    assert claim is not None
                    deployments.mark_running(session, live.deployment.id, claim.token, "cpu")
                    session.get_one(DeploymentRow, live.deployment.id).port = port
                    break
            else:
                continue
        services.notifier.notify()
        return
