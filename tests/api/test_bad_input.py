"""What the public APIs make of impossible requests: always a 4xx in the dialect's shape, and nothing is accepted."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

JSON = {"Content-Type": "application/json"}
SFT = {"model_name": "finery/tiny-llama", "dataset_path": "rows.jsonl", "output_dir": "outputs/out"}


@pytest.fixture(autouse=True)
def rows(home: Path) -> None:
    (home / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    (home / "to_etc").symlink_to("/etc")
    (home / "pickled").mkdir()
    (home / "pickled" / "config.json").write_text('{"model_type": "gpt2"}')
    (home / "pickled" / "pytorch_model.bin").write_bytes(b"\x80\x02}q\x00.")


@pytest.fixture
def nothing_accepted(client: TestClient) -> Iterator[None]:
    yield
    assert client.get("/jobs").json() == []


def problem(answer: Any) -> dict[str, Any]:
    """The jobs dialect's body, checked for its shape."""
    found: dict[str, Any] = answer.json()
    assert found.keys() == {"detail", "errors"}
    assert all(issue.keys() - {"line"} == {"field", "message"} for issue in found["errors"])
    assert "Traceback" not in answer.text
    return found


def message_of(answer: Any, path: str) -> str:
    """What an answer says, checked for the shape of the dialect that `path` belongs to."""
    if path.startswith("/v1/"):
        error = answer.json()["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        assert error["type"] in OPENAI_TYPES
    elif path.startswith("/api/v1/"):
        error = answer.json()["error"]
        assert error.keys() == {"code", "message", "errors"}
        assert all(issue.keys() == {"field", "message", "line", "code"} for issue in error["errors"])
    else:
        error = {"message": problem(answer)["detail"]}
    assert "Traceback" not in answer.text
    return str(error["message"])


OPENAI_TYPES = {"invalid_request_error", "authentication_error", "permission_error", "conflict_error"}
WITH_BODY = [
    ("POST", "/train/sft"),
    ("POST", "/train/dpo"),
    ("POST", "/jobs"),
    ("PATCH", "/jobs/none/status"),
    ("POST", "/chat"),
    ("POST", "/generate"),
    ("POST", "/api/v1/runs"),
    ("PATCH", "/api/v1/runs/none"),
    ("POST", "/api/v1/deployments"),
    ("POST", "/api/v1/datasets/check"),
    ("POST", "/api/v1/users"),
    ("POST", "/api/v1/webhooks"),
    ("PUT", "/api/v1/secrets/NAME"),
    ("POST", "/api/users"),
    ("PATCH", "/api/users/none"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/api-keys"),
    ("POST", "/api/cloud/auth/api-keys"),
    ("POST", "/v1/uploads"),
    ("POST", "/v1/fine_tuning/jobs"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/webhook_endpoints"),
]

CONFIGURATIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"learning_rate": -1e-5}, "learning_rate", "greater than 0"),
    ({"learning_rate": 0}, "learning_rate", "greater than 0"),
    ({"learning_rate": 11}, "learning_rate", "10"),
    ({"learning_rate": "nan"}, "learning_rate", "finite"),
    ({"learning_rate": "inf"}, "learning_rate", "finite"),
    ({"learning_rate": "fast"}, "learning_rate", "number"),
    ({"learning_rate": None}, "learning_rate", "number"),
    ({"learning_rate": []}, "learning_rate", "number"),
    ({"num_epochs": 10**18}, "num_epochs", "100"),
    ({"num_epochs": 101}, "num_epochs", "100"),
    ({"num_epochs": 0}, "num_epochs", "1"),
    ({"num_epochs": 1.5}, "num_epochs", "whole number"),
    ({"batch_size": 0}, "batch_size", "1"),
    ({"batch_size": 129}, "batch_size", "128"),
    ({"batch_size": -(10**30)}, "batch_size", "1"),
    ({"use_lora": "perhaps"}, "use_lora", "true or false"),
    ({"lora_rank": 0}, "lora_rank", "1"),
    ({"max_length": 10**12}, "max_length", "1048576"),
    ({"lerning_rate": 1e-5}, "lerning_rate", "'learning_rate'"),
    ({"beta": 0.1}, "beta", "unknown key"),
    ({"trust_remote_code": True}, "trust_remote_code", "must be false"),
    ({"model_name": ""}, "model_name", "must not be empty"),
    ({"model_name": 7}, "model_name", "must be text"),
    ({"dataset_path": "/etc/passwd"}, "dataset_path", "outside"),
    ({"dataset_path": "~/x.json"}, "dataset_path", "home"),
    ({"dataset_path": "../x.json"}, "dataset_path", "outside"),
    ({"dataset_path": "to_etc/passwd"}, "dataset_path", "outside"),
    ({"dataset_path": "a\0b"}, "dataset_path", "NUL"),
    ({"dataset_path": "x" * 5000}, "dataset_path", "4096"),
    ({"output_dir": "../out"}, "output_dir", "outside"),
    ({"output_dir": "/etc/out"}, "output_dir", "outside"),
    ({"output_dir": "to_etc/out"}, "output_dir", "outside"),
    ({"output_dir": "runs"}, "output_dir", "server itself"),
    ({"output_dir": "meta-llama/Llama-3.2-1B"}, "output_dir", "below outputs/"),
    ({"output_dir": "outputs/a\u202eb"}, "output_dir", "U+202E"),
    ({"model_name": "gpt2 "}, "model_name", "blank"),
    ({"eval_dataset_path": "/etc/passwd"}, "eval_dataset_path", "outside"),
    ({"report_to": ["everybody"]}, "report_to.0", "tensorboard"),
]

BODIES: list[tuple[bytes, str]] = [
    (b"", "body"),
    (b"{", "JSON"),
    (b"null", ""),
    (b"[]", ""),
    (b'"text"', ""),
    (b"12", ""),
    (b"\xff\xfe\x00", "UTF-8"),
    (b'{"num_epochs": NaN}', "NaN"),
    (b'{"learning_rate": Infinity}', "Infinity"),
    (b'{"learning_rate": 1e400}', "1e400"),
    (b'{"batch_size": 1, "batch_size": 2}', "twice"),
    (b'{"model_name": "\\ud800"}', "surrogate"),
    (b'{"model_name": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "deep"),
    (b'{"batch_size": 1' + b"0" * 5000 + b"}", "too long"),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "deep"),
]


BOOLEANS: list[tuple[str, dict[str, Any], str]] = [
    ("/train/sft", SFT, "learning_rate"),
    ("/train/dpo", SFT, "batch_size"),
    ("/chat", {"instruction": "Hello"}, "max_new_tokens"),
    ("/api/v1/runs", {"recipe": "sft", "config": {}}, "priority"),
    ("/api/v1/runs", {"recipe": "sft", "config": {}}, "time_limit_seconds"),
    ("/api/v1/keys", {"name": "k"}, "expires_days"),
    ("/api/auth/api-keys", {"name": "k"}, "expires_days"),
    ("/v1/fine_tuning/jobs", {"model": "m", "training_file": "file-1"}, "seed"),
    ("/v1/uploads", {"filename": "a", "purpose": "fine-tune", "mime_type": "text/jsonl"}, "bytes"),
]
"""A path, a body, and a field of it that is a number."""


@pytest.mark.usefixtures("nothing_accepted")
class TestConfiguration:
    @pytest.mark.parametrize(("change", "field", "says"), CONFIGURATIONS)
    def test_refused_by_name(self, client: TestClient, change: dict[str, Any], field: str, says: str) -> None:
        answer = client.post("/train/sft", json={**SFT, **change})
        assert answer.status_code == 422
        found = problem(answer)
        [issue] = [issue for issue in found["errors"] if issue["field"] == field]
        assert says in issue["message"]

    @pytest.mark.parametrize("missing", SFT)
    def test_missing(self, client: TestClient, missing: str) -> None:
        answer = client.post("/train/sft", json={key: value for key, value in SFT.items() if key != missing})
        assert answer.status_code == 422
        assert problem(answer)["errors"][0] == {"field": missing, "message": "missing; give it"}

    @pytest.mark.parametrize(("method", "path"), WITH_BODY)
    def test_unreadable_body(self, client: TestClient, method: str, path: str) -> None:
        wrong = {}
        for body, says in BODIES:
            answer = client.request(method, path, content=body, headers=JSON)
            expected = 400 if path.startswith("/v1/") else 422
            if answer.status_code != expected or says not in message_of(answer, path):
                wrong[body[:80]] = (answer.status_code, answer.text[:300])
        assert wrong == {}

    @pytest.mark.parametrize("value", [True, False])
    def test_a_boolean_is_no_number(self, client: TestClient, value: bool) -> None:
        for path, body, field in BOOLEANS:
            answer = client.post(path, json={**body, field: value})
            assert answer.status_code in (400, 422)
            assert "true or false" in message_of(answer, path)

    @pytest.mark.parametrize("name", ["outputs/none", "../model", "/etc", "to_etc", "finery/none", "~root", "pickled"])
    def test_no_model(self, client: TestClient, name: str) -> None:
        answer = client.post("/train/sft", json={**SFT, "model_name": name})
        assert answer.status_code in (404, 422)
        assert problem(answer)["detail"]

    def test_no_dataset(self, client: TestClient) -> None:
        answer = client.post("/train/sft", json={**SFT, "dataset_path": "none.json"})
        assert answer.status_code in (404, 422)
        assert "none.json" in problem(answer)["detail"]

    @pytest.mark.parametrize(
        "config",
        [
            {"argv": []},
            {"argv": [""]},
            {"argv": "ls -l"},
            {"argv": ["ls\0"]},
            {"argv": ["ls"], "environment": {"LD_PRELOAD": "x.so"}},
            {"argv": ["ls"], "environment": {"PATH": "."}},
            {"argv": ["ls"], "environment": {"CUDA_VISIBLE_DEVICES": "0"}},
            {"argv": ["ls"], "environment": {"A=B": "0"}},
            {"argv": ["ls"], "working_directory": "/etc"},
            {"argv": ["ls"], "working_directory": "to_etc"},
            {"argv": ["ls"], "shell": True},
        ],
    )
    def test_commands(self, client: TestClient, config: dict[str, Any]) -> None:
        answer = client.post("/api/v1/runs", json={"recipe": "command", "config": config})
        assert answer.status_code == 422
        assert answer.json()["error"]["errors"]

    def test_more_gpus_than_there_are(self, client: TestClient) -> None:
        body = {"recipe": "command", "config": {"argv": ["ls"]}, "resources": {"gpus": 999}}
        answer = client.post("/api/v1/runs", json=body)
        assert answer.status_code == 422
        assert "999" in answer.json()["error"]["message"]


LONG_PATHS = ["x" * 300, "긴" * 100, f"a/{'x' * 300}/b", "/".join(["긴" * 80] * 20), "x/" * 2000 + "x" * 300]


@pytest.mark.usefixtures("nothing_accepted")
class TestLongPaths:
    @pytest.mark.parametrize("field", ["dataset_path", "eval_dataset_path", "output_dir", "model_name"])
    @pytest.mark.parametrize("text", LONG_PATHS)
    def test_training(self, client: TestClient, field: str, text: str) -> None:
        answer = client.post("/train/sft", json={**SFT, field: text})
        assert answer.status_code == 422
        assert field in [issue["field"] for issue in problem(answer)["errors"]]

    @pytest.mark.parametrize("text", LONG_PATHS)
    def test_working_directory(self, client: TestClient, text: str) -> None:
        body = {"recipe": "command", "config": {"argv": ["ls"], "working_directory": text}}
        assert client.post("/api/v1/runs", json=body).status_code == 422

    @pytest.mark.parametrize("text", LONG_PATHS)
    def test_model_to_load(self, client: TestClient, text: str) -> None:
        answer = client.post("/load_model", params={"model_path": text})
        assert 400 <= answer.status_code < 500
        assert problem(answer)["detail"]


class TestNumbers:
    def test_a_number_in_words_of_yaml(self, client: TestClient) -> None:
        job_id = client.post("/train/sft", json={**SFT, "learning_rate": "1e-5"}).json()["job_id"]
        assert client.get(f"/jobs/{job_id}").json()["config"]["learning_rate"] == 1e-5


class TestSubmission:
    def test_one_key_fifty_times_at_once(self, client: TestClient) -> None:
        def submit(_: int) -> tuple[int, str]:
            answer = client.post("/train/sft", json=SFT, headers={"Idempotency-Key": "the-key"})
            return answer.status_code, answer.text

        with ThreadPoolExecutor(10) as pool:
            answers = set(pool.map(submit, range(50)))
        assert {status for status, _ in answers} == {200}
        assert len(answers) == 1
        assert len(client.get("/jobs").json()) == 1

    def test_a_key_used_again_for_something_else(self, client: TestClient) -> None:
        key = {"Idempotency-Key": "the-key"}
        client.post("/train/sft", json=SFT, headers=key)
        answer = client.post("/train/sft", json={**SFT, "batch_size": 8}, headers=key)
        assert answer.status_code == 409
        assert "Idempotency-Key" in problem(answer)["detail"]

    @pytest.mark.parametrize("key", ["", "x" * 201])
    def test_a_key_that_is_none(self, client: TestClient, key: str) -> None:
        assert client.post("/train/sft", json=SFT, headers={"Idempotency-Key": key}).status_code == 422

    def test_two_live_runs_one_output_directory(self, client: TestClient) -> None:
        first = client.post("/train/sft", json=SFT).json()["job_id"]
        answer = client.post("/train/sft", json={**SFT, "output_dir": "outputs/../outputs/out/"})
        assert answer.status_code == 409
        assert first in problem(answer)["detail"]
        client.post(f"/jobs/{first}/cancel")
        assert client.post("/train/sft", json=SFT).status_code == 200

    @pytest.mark.parametrize("text", ["$(touch x)", "; touch x", "`touch x`", "a\ntouch x", "-rf", "|| touch x"])
    def test_shell_text_is_inert(self, client: TestClient, home: Path, text: str) -> None:
        before = sorted(os.listdir(home))
        job = {"job_id": "a", "model_name": text, "dataset": text, "hyperparameters": {text: text}}
        answer = client.post("/jobs", json=job)
        assert answer.json()["hyperparameters"] == {text: text}
        run = {"recipe": "command", "config": {"argv": ["echo", text]}, "name": text, "labels": {text: text}}
        # What names something has one line.
        assert client.post("/api/v1/runs", json=run).status_code == (422 if "\n" in text else 201)
        assert sorted(os.listdir(home)) == before

    def test_personal_data_in_a_bad_row_is_not_repeated(self, client: TestClient, home: Path) -> None:
        (home / "rows.jsonl").write_text(json.dumps({"prompt": "a", "completion": ["900101-1234568"]}) + "\n")
        answer = client.post("/train/sft", json=SFT)
        assert answer.status_code == 422
        assert "900101" not in answer.text


PATHS = [
    "/jobs/{}", "/jobs/{}/logs",
    "/api/v1/runs/{}", "/api/v1/runs/{}/events", "/api/v1/deployments/{}", "/api/v1/datasets/{}", "/api/v1/users/{}",
    "/api/v1/webhooks/{}",
    "/api/users/{}",
    "/v1/files/{}", "/v1/files/{}/content", "/v1/fine_tuning/jobs/{}", "/v1/fine_tuning/jobs/{}/events",
    "/v1/webhook_endpoints/{}",
]  # fmt: skip


class TestIds:
    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("run_id", ["none", "%00", "..%2f..", "%F0%9F", "x" * 129, "' OR 1=1 --", "%0d%0aX-A: b"])
    def test_unknown(self, client: TestClient, path: str, run_id: str) -> None:
        answer = client.get(path.format(run_id))
        assert answer.status_code in (404, 400 if path.startswith("/v1/") else 422)
        assert message_of(answer, path)
        assert "X-A" not in answer.headers


class TestCodes:
    def test_programs_need_not_read_sentences(self, client: TestClient) -> None:
        wrong = {"model_name": "finery/tiny-llama", "nonsense": 1, "batch_size": 0}
        answer = client.post("/api/v1/runs", json={"recipe": "sft", "config": wrong})
        codes = {issue["field"]: issue["code"] for issue in answer.json()["error"]["errors"]}
        assert codes == {
            "dataset_path": "missing",
            "nonsense": "unknown_key",
            "batch_size": "greater_than_equal",
        }
