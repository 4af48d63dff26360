"""Models over HTTP: the list, a run's model that is deleted, and the log of a deployment."""

from pathlib import Path

from starlette.testclient import TestClient

from finery.contracts.status import RunStatus
from finery.http.services import Services
from tests.domain.catalog.test_resolution import train
from tests.domain.principals import ANN


def services_of(client: TestClient) -> Services:
    found: Services = client.app.state.services  # type: ignore[attr-defined]
    return found


class TestList:
    def test_a_trained_one_tells_its_run_and_base(self, client: TestClient, home: Path) -> None:
        train(services_of(client).database, home, ANN, id="first")
        (home / "outputs" / "first" / "adapter_config.json").write_text("{}")
        models = client.get("/api/v1/models").json()["models"]
        [found] = [model for model in models if model["kind"] == "output"]
        assert (found["name"], found["run_id"], found["base"]) == ("outputs/first", "first", "finery/tiny-llama")
        assert found["is_adapter"] is True
        assert next(model["is_adapter"] for model in models if model["kind"] == "built-in") is False


class TestDelete:
    def test_its_files_go_and_the_run_stays(self, client: TestClient, home: Path) -> None:
        train(services_of(client).database, home, ANN, id="first")
        for _ in range(2):
            assert client.delete("/api/v1/runs/first/model").status_code == 204
        assert not (home / "outputs" / "first").exists()
        assert not (home / "runs" / "first" / "checkpoints").exists()
        run = client.get("/api/v1/runs/first").json()
        assert (run["status"], run["output_dir"]) == ("succeeded", None)

    def test_refused_while_another_run_reads_it(self, client: TestClient, home: Path) -> None:
        train(services_of(client).database, home, ANN, id="first")
        config = {"model_name": "outputs/first", "dataset_path": "rows.jsonl"}
        reader = client.post("/api/v1/runs", json={"recipe": "sft", "config": config}).json()
        answer = client.delete("/api/v1/runs/first/model")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "model_in_use")
        assert reader["id"] in answer.text
        assert (home / "outputs" / "first").exists()

    def test_refused_while_the_run_is_live(self, client: TestClient, home: Path) -> None:
        train(services_of(client).database, home, ANN, RunStatus.QUEUED, id="first")
        assert client.delete("/api/v1/runs/first/model").status_code == 409


class TestDeploymentLog:
    def test_last_lines_and_text_from_a_byte_on(self, client: TestClient, home: Path) -> None:
        made = client.post("/api/v1/deployments", json={"model": "finery/tiny-llama"}).json()
        address = f"/api/v1/deployments/{made['id']}/logs"
        assert client.get(address).json() == {"lines": [], "total_lines": 0}
        (home / "deploy_logs").mkdir(exist_ok=True)
        (home / made["log_file"]).write_text("one\ntwo\nthree\n")
        assert client.get(address, params={"tail": 2}).json() == {"lines": ["two", "three"], "total_lines": 3}
        part = client.get(address, params={"offset": 4}).json()
        assert part == {"text": "two\nthree\n", "next_offset": 14}
