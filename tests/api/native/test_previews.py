import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from finery.contracts.previews import RunPreview
from tests.builders import ROW, RUN, write_rows, write_weights

PREVIEW = "/api/v1/runs/preview"
AUTO = dict.fromkeys(("num_epochs", "batch_size", "learning_rate", "use_lora", "max_length"), "auto")


@pytest.fixture(autouse=True)
def rows(home: Path) -> None:
    write_rows(home)


def preview(client: TestClient, config: dict[str, Any], **fields: Any) -> RunPreview:
    headers = fields.pop("headers", {})
    answer = client.post(PREVIEW, json={**RUN, **fields, "config": {**RUN["config"], **config}}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert client.get("/api/v1/runs").json()["runs"] == []
    return RunPreview.model_validate(answer.json())


class TestRun:
    def test_what_auto_chooses_and_why(self, client: TestClient) -> None:
        found = preview(client, AUTO)
        assert (found.ok, found.run_count, found.names, found.issues) == (True, 1, [], [])
        reasons = {choice.setting: (choice.value, choice.reason) for choice in found.choices}
        assert reasons["num_epochs"] == (25, "for 1 rows of data")
        assert reasons["use_lora"][0] is False
        assert "1.4 M parameters" in reasons["learning_rate"][1]
        assert found.config is not None
        assert found.config["num_epochs"] == 25
        assert found.wait is not None
        assert (found.wait.position, found.wait.reason, found.wait.seconds) == (1, "starts_next", 0.0)

    def test_in_the_language_that_is_asked_for(self, client: TestClient) -> None:
        found = preview(client, AUTO, headers={"Accept-Language": "ko"})
        assert "데이터 1행 기준" in {choice.reason for choice in found.choices}

    @pytest.mark.parametrize(
        ("config", "field", "line"),
        [
            ({"learning_rate": -1}, "learning_rate", None),
            ({"lerning_rate": 1}, "lerning_rate", None),
            ({"model_name": "outputs/none"}, "model_name", None),
            ({"dataset_path": "none.jsonl"}, "dataset_path", None),
            ({"dataset_path": "bad.jsonl"}, "dataset_path", 2),
            ({"eval_dataset_path": "bad.jsonl"}, "eval_dataset_path", 2),
            ({"precision": "fp16"}, "precision", None),
        ],
    )
    def test_what_would_refuse_it_by_field(
        self, client: TestClient, home: Path, config: dict[str, Any], field: str, line: int | None
    ) -> None:
        (home / "bad.jsonl").write_text(ROW + "{\n")
        found = preview(client, config)
        assert not found.ok
        assert {issue.field for issue in found.issues} == {field}
        assert line in {issue.line for issue in found.issues}
        assert found.config is None

    def test_memory(self, client: TestClient, home: Path) -> None:
        (home / "model").mkdir()
        sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
        described = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 1000, **sizes}
        (home / "model" / "config.json").write_text(json.dumps(described))
        write_weights(home / "model" / "model.safetensors", parameters=200_000)
        found = preview(client, {"model_name": "./model", "batch_size": 8})
        assert found.memory is not None
        assert found.memory.needed_bytes == sum(found.memory.parts.values())
        assert (found.memory.batch_size, found.memory.fitting_batch, found.memory.device) == (8, 8, "cpu")


class TestSweep:
    def test_its_runs_by_name(self, client: TestClient) -> None:
        found = preview(client, {"learning_rate": [1e-4, 2e-4], "seed": [1, 2]}, name="try")
        assert (found.ok, found.run_count, found.checked_count) == (True, 4, 4)
        assert found.names[0] == "try · lr=1e-4 · seed=1"

    def test_a_bad_value_by_its_place(self, client: TestClient) -> None:
        found = preview(client, {"learning_rate": [1e-4, -1], "seed": [1, -1]})
        assert not found.ok
        assert {issue.field for issue in found.issues} == {"config.learning_rate[1]", "config.seed[1]"}
        assert found.config is not None

    def test_too_many_runs(self, client: TestClient) -> None:
        found = preview(client, {"seed": list(range(200))})
        assert ([issue.field for issue in found.issues], found.run_count) == (["config"], 0)


class TestQueue:
    def test_behind_those_of_the_same_priority(self, client: TestClient) -> None:
        for priority in (0, 5):
            client.post("/api/v1/runs", json={**RUN, "priority": priority}).raise_for_status()
        answer = client.post(PREVIEW, json={**RUN, "priority": 1}).json()["wait"]
        assert (answer["position"], answer["length"], answer["reason"]) == (2, 3, "runs_before")
