from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import NewRun
from finery.contracts.status import RunStatus
from finery.domain import runs
from finery.http.services import Services
from tests import builders

JOB = {
    "job_id": "job-001",
    "model_name": "gpt-mini",
    "dataset": "dataset-v1",
    "hyperparameters": {"learning_rate": 0.001, "epochs": 5},
}
KEYS = {
    "id", "job_id", "training_type", "model_name", "dataset", "hyperparameters", "status", "config", "created_at",
    "started_at", "updated_at", "completed_at", "error_message", "log_file", "output_dir", "progress",
}  # fmt: skip


@pytest.fixture
def services(client: TestClient) -> Services:
    found: Services = client.app.state.services  # type: ignore[attr-defined]
    return found


def create(services: Services, new: NewRun) -> str:
    with services.database.write() as session:
        return runs.create(session, new, services.context, LOCAL_ADMINISTRATOR).id


class TestCreateJob:
    def test_the_documents_answer(self, client: TestClient) -> None:
        answer = client.post("/jobs", json=JOB)
        assert answer.status_code == 201
        job = answer.json()
        assert job.keys() == KEYS
        assert job["id"] == job["job_id"] == "job-001"
        assert job["status"] == "queued"
        assert job["training_type"] == "external"
        assert job["hyperparameters"] == JOB["hyperparameters"]
        assert job["error_message"] is None
        assert len(job["created_at"]) == len("2024-01-01T12:00:00.000000")
        assert client.get("/jobs/job-001").json() == job
        assert client.get("/jobs").json() == [job]

    def test_id_exists(self, client: TestClient) -> None:
        client.post("/jobs", json=JOB)
        answer = client.post("/jobs", json={**JOB, "model_name": "other"})
        assert answer.status_code == 409
        assert "job-001" in answer.json()["detail"]

    @pytest.mark.parametrize(
        "job_id",
        ["", "a/b", "a\nb", "a\0b", "\x1b[31m", "x" * 129, ".", "..", "....", "e\u0301", "\u1112\u1161\u11ab"],
    )
    def test_bad_id(self, client: TestClient, job_id: str) -> None:
        answer = client.post("/jobs", json={**JOB, "job_id": job_id})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "job_id"

    @pytest.mark.parametrize(
        "job_id", ["작업-1", "a b", "..a", "\u00e9", "x" * 128, "작" * 128, "a?b#c%", "$(reboot)", "-rf"]
    )
    def test_odd_id_is_found_again(self, client: TestClient, job_id: str) -> None:
        assert client.post("/jobs", json={**JOB, "job_id": job_id}).status_code == 201
        assert client.get("/jobs").json()[0]["id"] == job_id

    def test_idempotency_key(self, client: TestClient) -> None:
        key = {"Idempotency-Key": "k1"}
        first = client.post("/jobs", json=JOB, headers=key)
        assert client.post("/jobs", json=JOB, headers=key).json() == first.json()
        assert client.post("/jobs", json={**JOB, "dataset": "x"}, headers=key).status_code == 409


class TestListJobs:
    @pytest.fixture
    def jobs(self, client: TestClient, services: Services) -> list[str]:
        for number in range(4):
            client.post("/jobs", json={**JOB, "job_id": f"job-{number}"})
        client.patch("/jobs/job-1/status", json={"status": "running"})
        client.patch("/jobs/job-2/status", json={"status": "succeeded"})
        return [create(services, builders.sft(services.context.home.path))]

    @pytest.mark.parametrize(
        ("query", "ids"),
        [
            ("limit=2&offset=1", ["job-3", "job-2"]),
            ("status=running", ["job-1"]),
            ("status=succeeded", ["job-2"]),
            ("status=completed", ["job-2"]),
            ("training_type=external&status=queued", ["job-3", "job-0"]),
            ("training_type=external&status=pending", ["job-3", "job-0"]),
            ("status=failed", []),
            ("training_type=dpo", []),
            ("offset=99", []),
        ],
    )
    def test_filters_newest_first(self, client: TestClient, jobs: list[str], query: str, ids: list[str]) -> None:
        assert [job["id"] for job in client.get(f"/jobs?{query}").json()] == ids

    def test_words_are_those_of_the_source(self, client: TestClient, jobs: list[str]) -> None:
        words = {job["id"]: job["status"] for job in client.get("/jobs").json()}
        waiting = {"job-0": "queued", "job-3": "queued", jobs[0]: "pending"}
        assert words == {**waiting, "job-1": "running", "job-2": "succeeded"}

    @pytest.mark.parametrize("query", ["status=done", "limit=0", "limit=1001", "limit=x", "offset=-1", "offset=1e9"])
    def test_bad_query(self, client: TestClient, query: str) -> None:
        answer = client.get(f"/jobs?{query}")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


class TestReportStatus:
    @pytest.mark.parametrize("word", ["queued", "running", "succeeded", "failed", "cancelled"])
    def test_every_word(self, client: TestClient, word: str) -> None:
        client.post("/jobs", json=JOB)
        answer = client.patch("/jobs/job-001/status", json={"status": word, "error_message": None})
        assert (answer.status_code, answer.json()["status"]) == (200, word)

    def test_error_message(self, client: TestClient) -> None:
        client.post("/jobs", json=JOB)
        client.patch("/jobs/job-001/status", json={"status": "failed", "error_message": "no memory"})
        assert client.get("/jobs/job-001").json()["error_message"] == "no memory"

    @pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled"])
    def test_nothing_leaves_an_end(self, client: TestClient, end: str) -> None:
        client.post("/jobs", json=JOB)
        client.patch("/jobs/job-001/status", json={"status": end})
        assert client.patch("/jobs/job-001/status", json={"status": "running"}).status_code == 409
        assert client.get("/jobs/job-001").json()["status"] == end

    def test_not_for_our_own_jobs(self, client: TestClient, services: Services) -> None:
        run_id = create(services, builders.sft(services.context.home.path))
        assert client.patch(f"/jobs/{run_id}/status", json={"status": "running"}).status_code == 409

    @pytest.mark.parametrize("body", [{}, {"status": "paused"}, {"status": "running", "x": 1}, [], "running"])
    def test_bad_body(self, client: TestClient, body: Any) -> None:
        client.post("/jobs", json=JOB)
        assert client.patch("/jobs/job-001/status", json=body).status_code == 422

    def test_unknown_job(self, client: TestClient) -> None:
        assert client.patch("/jobs/none/status", json={"status": "running"}).status_code == 404


class TestCancelJob:
    def test_a_waiting_job(self, client: TestClient, services: Services) -> None:
        run_id = create(services, builders.sft(services.context.home.path))
        answer = client.post(f"/jobs/{run_id}/cancel")
        assert answer.status_code == 200
        assert answer.json()["message"]
        assert client.get(f"/jobs/{run_id}").json()["status"] == "cancelled"

    def test_a_hundred_times_is_one_event(self, client: TestClient, services: Services) -> None:
        run_id = create(services, builders.sft(services.context.home.path))
        answers = [client.post(f"/jobs/{run_id}/cancel").status_code for _ in range(100)]
        assert answers == [200] + [400] * 99
        with services.database.read() as session:
            ends = [
                event
                for event in runs.list_events(session, run_id, LOCAL_ADMINISTRATOR)
                if event.data.as_json().get("to") == RunStatus.CANCELLED
            ]
        assert len(ends) == 1

    def test_unknown_job(self, client: TestClient) -> None:
        answer = client.post("/jobs/none/cancel")
        assert answer.status_code == 404
        assert "none" in answer.json()["detail"]


class TestDeleteJob:
    def test_gone_afterwards(self, client: TestClient) -> None:
        client.post("/jobs", json=JOB)
        answer = client.delete("/jobs/job-001")
        assert (answer.status_code, answer.content) == (204, b"")
        assert client.delete("/jobs/job-001").status_code == 404
        assert client.get("/jobs/job-001").status_code == 404

    def test_not_while_it_is_carried_out(self, client: TestClient, services: Services) -> None:
        run_id = create(services, builders.sft(services.context.home.path))
        assert client.delete(f"/jobs/{run_id}").status_code == 409


class TestReadLogs:
    @pytest.fixture
    def job(self, services: Services) -> str:
        return create(services, builders.sft(services.context.home.path))

    @pytest.fixture
    def log(self, services: Services, job: str) -> Path:
        path = services.context.home.run_log(job)
        path.parent.mkdir(parents=True)
        path.write_text("".join(f"줄 {number}\n" for number in range(150)))
        return path

    def test_no_log_yet(self, client: TestClient, job: str) -> None:
        assert client.get(f"/jobs/{job}/logs").json() == {"job_id": job, "logs": [], "total_lines": 0}

    @pytest.mark.parametrize(("query", "count"), [("", 100), ("?tail=50", 50), ("?tail=0", 150), ("?tail=999", 150)])
    def test_tail(self, client: TestClient, job: str, log: Path, query: str, count: int) -> None:
        found = client.get(f"/jobs/{job}/logs{query}").json()
        assert found["logs"] == [f"줄 {number}" for number in range(150 - count, 150)]
        assert found["total_lines"] == 150

    def test_the_job_says_where_it_is(self, client: TestClient, job: str) -> None:
        assert client.get(f"/jobs/{job}").json()["log_file"] == f"outputs/training_logs/job_{job}.log"

    def test_anything_may_be_in_it(self, client: TestClient, job: str, log: Path) -> None:
        log.write_bytes(b'\xff\xfe\x00"quote"\\\n\x1b[1mbold\x1b[0m\n\xe2\x80\xa8\n')
        assert client.get(f"/jobs/{job}/logs").json()["logs"] == ['��"quote"\\', "bold", "\u2028"]

    @pytest.mark.parametrize("tail", ["-1", "x", "99999999999"])
    def test_bad_tail(self, client: TestClient, job: str, tail: str) -> None:
        assert client.get(f"/jobs/{job}/logs?tail={tail}").status_code == 422

    def test_unknown_job(self, client: TestClient) -> None:
        assert client.get("/jobs/none/logs").status_code == 404

    def test_id_that_is_too_long_for_a_file(self, client: TestClient) -> None:
        client.post("/jobs", json={**JOB, "job_id": "작" * 128})
        assert client.get(f"/jobs/{'작' * 128}/logs").json()["logs"] == []
        assert client.get(f"/api/v1/runs/{'작' * 128}/logs?offset=0").json()["text"] == ""
        assert client.get(f"/api/v1/runs/{'작' * 128}/logs/content").content == b""
