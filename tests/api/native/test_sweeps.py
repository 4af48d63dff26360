from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from finery.contracts.sweeps import SweepDetails, SweepPage
from tests.builders import RUN, write_rows

SWEEPS = "/api/v1/sweeps"


@pytest.fixture
def body(home: Path) -> dict[str, Any]:
    write_rows(home)
    return {**RUN, "config": {**RUN["config"], "learning_rate": [1e-4, 2e-4]}}


class TestSweeps:
    def test_from_request_to_end(self, client: TestClient, body: dict[str, Any]) -> None:
        answer = client.post(SWEEPS, json={**body, "priority": 3}, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 201
        sweep = SweepDetails.model_validate(answer.json())
        assert (
            client.post(SWEEPS, json={**body, "priority": 3}, headers={"Idempotency-Key": "k"}).json() == answer.json()
        )
        assert [(each.run.name, each.run.priority) for each in sweep.runs] == [("lr=1e-4", 3), ("lr=2e-4", 3)]
        page = SweepPage.model_validate(client.get(SWEEPS).json())
        assert [each.id for each in page.sweeps] == [sweep.id]
        assert len(client.get("/api/v1/runs", params={"sweep": sweep.id}).json()["runs"]) == 2
        assert client.get("/api/v1/runs", params={"sweep": "none"}).json()["runs"] == []
        ranked = client.get(f"{SWEEPS}/{sweep.id}", params={"metric": "token_accuracy"}).json()
        assert (ranked["ranked_by"], ranked["ranked_for"]) == ("token_accuracy", "max")
        assert client.patch(f"{SWEEPS}/{sweep.id}", json={"metric": "eval_loss"}).json()["metric"] == "eval_loss"
        cancelled = client.post(f"{SWEEPS}/{sweep.id}/cancel").json()
        assert cancelled["run_counts"] == {"cancelled": 2}
        assert client.post(f"{SWEEPS}/{sweep.id}/cancel").json()["error"]["code"] == "sweep_finished"
        assert client.delete(f"{SWEEPS}/{sweep.id}", params={"runs": True}).status_code == 204
        assert client.get(f"{SWEEPS}/{sweep.id}").json()["error"]["code"] == "sweep_not_found"
        assert client.get("/api/v1/runs").json()["runs"] == []

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"config": {**RUN["config"], "learning_rate": [1e-4, 2e-4, "x"]}}, "config.learning_rate[2]"),
            ({"config": RUN["config"]}, "config"),
            ({"recipe": "sftt"}, "recipe"),
            ({"metric": "no metric"}, "metric"),
            ({"goal": "most"}, "goal"),
            ({"id": "mine"}, "id"),
        ],
    )
    def test_refused_by_name(
        self, client: TestClient, body: dict[str, Any], change: dict[str, Any], field: str
    ) -> None:
        answer = client.post(SWEEPS, json={**body, **change})
        assert answer.status_code == 422
        assert [issue["field"] for issue in answer.json()["error"]["errors"]] == [field]
        assert client.get("/api/v1/runs").json()["runs"] == []

    def test_the_audit_log_names_it(self, client: TestClient, body: dict[str, Any]) -> None:
        sweep = client.post(SWEEPS, json=body).json()
        client.post(f"{SWEEPS}/{sweep['id']}/cancel")
        entries = client.get("/api/v1/audit").json()["entries"]
        told = [(entry["action"], entry["target"]) for entry in entries]
        assert [("cancel_sweep", sweep["id"]), ("create_sweep", sweep["id"])] == told[:2]
