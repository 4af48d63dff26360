import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import update
from starlette.testclient import TestClient

from finery.client.responses import (
    ArtifactList,
    DeploymentList,
    EventList,
    LogSlice,
    LogTail,
    ModelList,
    UploadedDataset,
)
from finery.contracts.machine import Machine
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import NewRun, Run, RunPage
from finery.domain import runs
from finery.http.latencies import RouteStatus
from finery.http.services import Services
from finery.kit.clock import utc_now
from finery.models import ArtifactRow, DeploymentRow, RunRow
from tests import builders
from tests.domain.deployments.serving import make_model
from tests.security.routes import permissions_of_routes

RUNS = "/api/v1/runs"
COMMAND = {"recipe": "command", "config": {"argv": ["true"]}}


@pytest.fixture
def services(client: TestClient) -> Services:
    found: Services = client.app.state.services  # type: ignore[attr-defined]
    return found


def create(services: Services, new: NewRun) -> str:
    with services.database.write() as session:
        return runs.create(session, new, services.context, LOCAL_ADMINISTRATOR).id


class TestCreateRun:
    def test_every_field(self, client: TestClient) -> None:
        body = {
            **COMMAND,
            "id": "my-run",
            "name": "이름",
            "labels": {"team": "search"},
            "priority": 5,
            "resources": {"gpus": 0, "cpu_slots": 2},
            "time_limit_seconds": 60,
        }
        answer = client.post(RUNS, json=body)
        assert answer.status_code == 201
        run = Run.model_validate(answer.json())
        assert run.model_dump(include=set(body)) | {"config": None} == body | {"config": None}
        assert (run.source, run.status, run.last_sequence) == ("native", "queued", 1)
        assert Run.model_validate(client.get(f"{RUNS}/my-run").json()) == run

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"recipe": "sftt"}, "recipe"),
            ({"id": "a b"}, "id"),
            ({"lables": {}}, "lables"),
            ({"priority": 10**6}, "priority"),
            ({"resources": {"gpus": 999}}, "resources.gpus"),
            ({"resources": {"cpu_slots": 999}}, "resources.cpu_slots"),
            ({"resources": {"gpu": 1}}, "resources.gpu"),
            ({"time_limit_seconds": -1}, "time_limit_seconds"),
            ({"config": {"argv": []}}, "argv"),
            ({"config": {"argv": ["x"], "environment": {"LD_PRELOAD": "x"}}}, "environment"),
            ({"config": {"argv": ["x"], "environment": {"PATH": "x"}}}, "environment"),
            ({"config": {"argv": ["x"], "environment": {"CUDA_VISIBLE_DEVICES": "x"}}}, "environment"),
        ],
    )
    def test_refused_by_name(self, client: TestClient, change: dict[str, Any], field: str) -> None:
        answer = client.post(RUNS, json={**COMMAND, **change})
        assert answer.status_code == 422
        assert field in [issue["field"] for issue in answer.json()["error"]["errors"]]
        assert client.get(RUNS).json()["runs"] == []

    def test_unknown_key_names_the_nearest(self, client: TestClient) -> None:
        answer = client.post(RUNS, json={**COMMAND, "lables": {}})
        assert "'labels'" in answer.json()["error"]["message"]
        answer = client.post(RUNS, json={**COMMAND, "resources": {"gpuss": 1}})
        assert "'gpus'" in answer.json()["error"]["message"]


class TestListRuns:
    def test_pages_meet_without_gap_or_repeat(self, client: TestClient) -> None:
        for number in range(7):
            client.post(RUNS, json={**COMMAND, "id": f"r{number}"})
        found: list[str] = []
        query: dict[str, Any] = {"limit": 3}
        while len(found) < 7:
            page = RunPage.model_validate(client.get(RUNS, params=query).json())
            found += [run.id for run in page.runs]
            query["cursor"] = page.next_cursor
            client.post(RUNS, json=COMMAND)
        assert page.next_cursor is None
        assert found == [f"r{number}" for number in reversed(range(7))]

    def test_filters(self, client: TestClient) -> None:
        client.post(RUNS, json={**COMMAND, "id": "a", "labels": {"team": "x=y"}})
        client.post(RUNS, json={**COMMAND, "id": "b"})
        client.post(f"{RUNS}/b/cancel")

        def ids(query: str) -> list[str]:
            return [run["id"] for run in client.get(f"{RUNS}?{query}").json()["runs"]]

        assert ids("status=queued") == ["a"]
        assert ids("status=queued&status=cancelled") == ["b", "a"]
        assert ids("label=team=x=y") == ["a"]
        assert ids("recipe=sft") == []

    def test_sorted_and_counted(self, client: TestClient) -> None:
        for name in ("b", "a", "c"):
            client.post(RUNS, json={**COMMAND, "id": name, "name": f"run {name}"})
        query = {"sort": "name", "direction": "asc", "limit": 2, "name": "RUN", "with_total": True}
        found = client.get(RUNS, params=query | {"created_after": "2026-01-01T00:00:00+09:00"}).json()
        assert ([run["id"] for run in found["runs"]], found["next_cursor"], found["total"]) == (["a", "b"], "2", 3)
        assert [run["id"] for run in client.get(RUNS, params=query | {"cursor": "2"}).json()["runs"]] == ["c"]
        assert [run["id"] for run in client.get(f"{RUNS}?offset=2").json()["runs"]] == ["b"]

    @pytest.mark.parametrize(
        "query",
        [
            *("status=pending", "limit=0", "cursor=x", "cursor=-1", "label=x", "label==x"),
            *("sort=size", "direction=up", "offset=-1", "offset=1000001", "sort=name&cursor=x"),
            *("created_after=2026-01-01", "created_before=9999-12-31T23:59:59-12:00", "created_after=yesterday"),
        ],
    )
    def test_bad_query(self, client: TestClient, query: str) -> None:
        assert client.get(f"{RUNS}?{query}").status_code == 422


class TestIntents:
    def test_pause_resume_cancel(self, client: TestClient, services: Services) -> None:
        run_id = create(services, builders.sft(services.context.home.path))
        assert client.post(f"{RUNS}/{run_id}/pause").json()["status"] == "paused"
        assert client.post(f"{RUNS}/{run_id}/resume").json()["status"] == "queued"
        assert client.post(f"{RUNS}/{run_id}/checkpoint").status_code == 409
        assert client.post(f"{RUNS}/{run_id}/stop").json()["status"] == "cancelled"
        answer = client.post(f"{RUNS}/{run_id}/cancel")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "run_finished")
        assert client.delete(f"{RUNS}/{run_id}").status_code == 204

    @pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "stop", "checkpoint"])
    def test_unknown_run(self, client: TestClient, verb: str) -> None:
        answer = client.post(f"{RUNS}/none/{verb}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "run_not_found")


class TestHistory:
    def test_events(self, client: TestClient) -> None:
        client.post(RUNS, json={**COMMAND, "id": "a"})
        client.post(f"{RUNS}/a/cancel")
        events = EventList.model_validate(client.get(f"{RUNS}/a/events").json()).events
        assert [(event.sequence, event.data.to) for event in events] == [(1, "queued"), (2, "cancelled")]
        assert [event["sequence"] for event in client.get(f"{RUNS}/a/events?after=1&limit=1").json()["events"]] == [2]
        assert [event["sequence"] for event in client.get(f"{RUNS}/a/events?before=9").json()["events"]] == [2, 1]
        assert client.get(f"{RUNS}/a/events?before=9&type=progress&type=sample").json()["events"] == []
        assert len(client.get(f"{RUNS}/a/events?type=status").json()["events"]) == 2
        assert client.get(f"{RUNS}/a/metrics").json() == {"points": []}

    def test_log_search(self, client: TestClient, services: Services) -> None:
        client.post(RUNS, json={**COMMAND, "id": "a"})
        log = services.context.home.run_log(client.get(f"{RUNS}/a").json()["uid"])
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("one\nTwo\n")
        answer = client.get(f"{RUNS}/a/logs/search", params={"q": "two"}).json()
        assert answer == {"lines": [{"offset": 4, "text": "Two"}], "next_offset": None}
        assert client.get(f"{RUNS}/a/logs/search").status_code == 422
        assert client.get(f"{RUNS}/none/logs/search", params={"q": "two"}).status_code == 404

    def test_checkpoints(self, client: TestClient) -> None:
        client.post(RUNS, json={**COMMAND, "id": "a"})
        assert client.get(f"{RUNS}/a/checkpoints").json() == {"checkpoints": []}

    def test_log(self, client: TestClient, services: Services) -> None:
        client.post(RUNS, json={**COMMAND, "id": "a"})
        path = services.context.home.run_log("a")
        path.parent.mkdir(parents=True)
        path.write_text("one\ntwo\nthr")
        tail = LogTail.model_validate(client.get(f"{RUNS}/a/logs?tail=2").json())
        assert (tail.lines, tail.total_lines) == (["two", "thr"], 3)
        part = LogSlice.model_validate(client.get(f"{RUNS}/a/logs?offset=4").json())
        assert (part.text, part.next_offset) == ("two\n", 8)
        client.post(f"{RUNS}/a/cancel")
        assert client.get(f"{RUNS}/a/logs?offset=8").json() == {"text": "thr", "next_offset": 11}

    @pytest.mark.parametrize(
        ("wanted", "status", "body", "shown"),
        [
            (None, 200, b"0123456789", None),
            ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
            ("bytes=7-", 206, b"789", "bytes 7-9/10"),
            ("bytes=-3", 206, b"789", "bytes 7-9/10"),
            ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
            ("bytes=0-1,4-5", 200, b"0123456789", None),
            ("lines=1-2", 200, b"0123456789", None),
        ],
    )
    def test_log_ranges(
        self, client: TestClient, services: Services, wanted: str | None, status: int, body: bytes, shown: str | None
    ) -> None:
        client.post(RUNS, json={**COMMAND, "id": "a"})
        path = services.context.home.run_log("a")
        path.parent.mkdir(parents=True)
        path.write_bytes(b"0123456789")
        answer = client.get(f"{RUNS}/a/logs/content", headers={"Range": wanted} if wanted else {})
        assert (answer.status_code, answer.content, answer.headers.get("Content-Range")) == (status, body, shown)

    def test_range_past_the_end(self, client: TestClient) -> None:
        client.post(RUNS, json={**COMMAND, "id": "a"})
        answer = client.get(f"{RUNS}/a/logs/content", headers={"Range": "bytes=5-"})
        assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */0")


class TestArtifacts:
    @pytest.fixture
    def artifact(self, client: TestClient, services: Services) -> str:
        """The address of a folder that a run left."""
        client.post(RUNS, json={**COMMAND, "id": "a"})
        folder = services.context.home.path / "outputs" / "model"
        (folder / "inner").mkdir(parents=True)
        (folder / "inner" / "weights.safetensors").write_bytes(b"w" * 10)
        (folder / "config.json").write_text("{}")
        (folder / "link").symlink_to("/etc/passwd")
        return self.record(services, folder)

    def record(self, services: Services, path: Path) -> str:
        with services.database.write() as session:
            number = session.query(RunRow.number).scalar()
            row = ArtifactRow(
                run_number=number, name=path.name, type="model", path=str(path), size_bytes=12, tags=[],
                created_at=utc_now(),
            )  # fmt: skip
            session.add(row)
            session.flush()
            return f"{RUNS}/a/artifacts/{row.id}/content"

    def test_folder_lists_its_files(self, client: TestClient, artifact: str) -> None:
        told = ArtifactList.model_validate(client.get(f"{RUNS}/a/artifacts").json()).artifacts
        assert [one.path for one in told] == ["outputs/model"]
        files = client.get(artifact).json()["files"]
        assert [file["path"] for file in files] == ["config.json", "inner/weights.safetensors"]

    def test_file_in_it(self, client: TestClient, artifact: str) -> None:
        answer = client.get(f"{artifact}?path=inner/weights.safetensors", headers={"Range": "bytes=8-"})
        assert (answer.status_code, answer.content) == (206, b"ww")
        assert "weights.safetensors" in answer.headers["Content-Disposition"]

    @pytest.mark.parametrize("inner", ["../../training.db", "/etc/passwd", "link", "none", "~"])
    def test_nothing_outside(self, client: TestClient, artifact: str, inner: str) -> None:
        answer = client.get(artifact, params={"path": inner})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "artifact_gone")

    def test_what_is_no_text(self, client: TestClient, artifact: str) -> None:
        answer = client.get(artifact, params={"path": "a\0b"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")

    def test_removed_from_disk(self, client: TestClient, artifact: str, services: Services) -> None:
        address = self.record(services, services.context.home.path / "gone.bin")
        assert client.get(address).status_code == 404

    def test_unknown(self, client: TestClient, artifact: str) -> None:
        assert client.get(f"{RUNS}/a/artifacts/999/content").json()["error"]["code"] == "artifact_not_found"


class TestOthers:
    def test_system(self, client: TestClient) -> None:
        answer = client.get("/api/v1/system").json()
        assert Machine.model_validate(answer).cpu_slots == 2
        assert answer["warm_start"] == "off"

    def test_models(self, client: TestClient) -> None:
        names = [model.name for model in ModelList.model_validate(client.get("/api/v1/models").json()).models]
        assert "finery/tiny-llama" in names

    def test_deployments(self, client: TestClient) -> None:
        body = {"model": "finery/tiny-llama", "slot": "main", "options": {"max_context": 128}}
        made = client.post("/api/v1/deployments", json=body)
        assert (made.status_code, made.json()["status"]) == (201, "starting")
        address = f"/api/v1/deployments/{made.json()['id']}"
        assert client.get(address).json() == made.json()
        assert len(DeploymentList.model_validate(client.get("/api/v1/deployments").json()).deployments) == 1
        early = client.post(f"{address}/chat/completions", json={"messages": []})
        assert (early.status_code, early.json()["error"]["code"]) == (503, "engine_not_ready")
        assert client.delete(address).json()["status"] == "stopping"
        assert client.get("/api/v1/deployments/none").status_code == 404

    def test_where_the_home_lies_is_not_told(self, client: TestClient, services: Services) -> None:
        make_model(services.context.home.path, "m")
        answers = [client.post("/api/v1/deployments", json={"model": "./m"})]
        address = f"/api/v1/deployments/{answers[0].json()['id']}"
        with services.database.write() as session:
            error = f"no weights in {services.context.home.path}/m"
            session.execute(update(DeploymentRow).values(error=error))
        answers += [client.get(address), client.get("/api/v1/deployments")]
        answers += [client.patch(address, json={"shared": True}), client.delete(address)]
        assert answers[0].json()["model"] == "m"
        assert answers[1].json()["error"] == "no weights in m"
        assert [str(services.context.home.path) in answer.text for answer in answers] == [False] * 5

    def test_an_engine_that_is_not_known(self, client: TestClient) -> None:
        answer = client.post("/api/v1/deployments", json={"model": "finery/tiny-llama", "engine": "vlm"})
        error = answer.json()["error"]
        told = "there is no engine 'vlm'; did you mean 'vllm'?"
        assert (answer.status_code, error["code"]) == (422, "invalid_request")
        assert [(issue["field"], issue["message"]) for issue in error["errors"]] == [("engine", told)]
        too_long = client.post("/api/v1/deployments", json={"model": "finery/tiny-llama", "engine": "v" * 65})
        assert (too_long.status_code, too_long.json()["error"]["errors"][0]["field"]) == (422, "engine")

    @pytest.mark.parametrize(
        "body", [{"model": "none/"}, {"model": "finery/tiny-lama"}, {"modle": "x"}, {"model": "../x"}]
    )
    def test_bad_deployment(self, client: TestClient, body: dict[str, str]) -> None:
        answer = client.post("/api/v1/deployments", json=body)
        assert 400 <= answer.status_code < 500
        assert answer.json()["error"]["message"]

    def test_upload(self, client: TestClient) -> None:
        answer = client.post("/api/v1/datasets", files={"file": ("a.jsonl", b"{}\n")})
        assert answer.status_code == 201
        assert UploadedDataset.model_validate(answer.json()).size_bytes == 3

    def test_metrics(self, client: TestClient) -> None:
        client.post(RUNS, json=COMMAND)
        text = client.get("/metrics").text
        assert 'finery_runs{status="queued"} 1.0' in text
        assert "finery_queue_depth 1.0" in text
        assert 'finery_http_route_seconds_count{method="POST",route="/api/v1/runs",status="2xx"} 1.0' in text
        assert 'finery_http_request_seconds_bucket{le="10.0",status="2xx"} 1.0' in text

    def test_metrics_stay_small_whatever_was_asked(self, app: FastAPI, client: TestClient) -> None:
        latencies = app.state.services.latencies
        for name in permissions_of_routes(app):
            method, _, route = name.partition(" ")
            for status in ("2xx", "4xx", "5xx"):
                latencies.add(RouteStatus(method, route, status), 0.1)
        for method in ("GET", "BREW", "X" * 1000):
            client.request(method, f"/nowhere/{method}")
        assert len(client.get("/metrics").content) <= 130_000

    def test_docs_need_no_internet(self, client: TestClient) -> None:
        page = client.get("/docs").text
        assert "http" not in page.replace("<!DOCTYPE html>", "")
        for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png", "start.js"):
            assert client.get(f"/docs/{name}").status_code == 200
        assert client.get("/docs/none.js").status_code == 404
        paths = client.get("/openapi.json").json()["paths"]
        assert {"/jobs", "/train/sft", "/api/v1/runs", "/healthz"} <= paths.keys()

    def test_all_methods_of_a_path_are_told(self, client: TestClient) -> None:
        answer = client.put("/api/v1/runs")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
        assert json.loads(answer.content)["error"]["code"] == "method_not_allowed"
