import os
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

SFT = {"model_name": "finery/tiny-llama", "dataset_path": "data/train.json", "output_dir": "outputs/my_model"}
DPO = {"model_name": "finery/tiny-llama", "dataset_path": "data/preference.json", "output_dir": "outputs/dpo_model"}


@pytest.fixture(autouse=True)
def data(home: Path) -> None:
    (home / "data").mkdir()
    (home / "data/train.json").write_text('[{"instruction": "a", "output": "b"}]')
    (home / "data/preference.json").write_text('[{"prompt": "a", "chosen": "b", "rejected": "c"}]')


class TestStartSft:
    def test_the_guides_answer(self, client: TestClient) -> None:
        answer = client.post("/train/sft", json=SFT, headers={"Accept-Language": "ko-KR,ko;q=0.9"})
        assert answer.status_code == 200
        found = answer.json()
        assert re.fullmatch("[0-9a-f]{8}", found["job_id"])
        assert found == {
            "job_id": found["job_id"], "status": "pending", "message": "SFT 학습 작업이 생성되었습니다",
        }  # fmt: skip

    def test_the_guides_defaults(self, client: TestClient) -> None:
        job_id = client.post("/train/sft", json=SFT).json()["job_id"]
        job = client.get(f"/jobs/{job_id}").json()
        assert job["training_type"] == "sft"
        assert job["output_dir"] == "outputs/my_model"
        assert job["dataset"] == "data/train.json"
        wanted = {"num_epochs": 3, "batch_size": 4, "learning_rate": 2e-5, "use_lora": True}
        assert {key: job["config"][key] for key in wanted} == wanted
        assert job["hyperparameters"].items() >= wanted.items()
        assert "output_dir" not in job["hyperparameters"]

    def test_further_keys_of_the_recipe(self, client: TestClient) -> None:
        job_id = client.post("/train/sft", json={**SFT, "lora_rank": 4, "packing": True}).json()["job_id"]
        config = client.get(f"/jobs/{job_id}").json()["config"]
        assert (config["lora_rank"], config["packing"]) == (4, True)

    @pytest.mark.parametrize(
        ("key", "value"),
        [("num_epochs", 100), ("batch_size", 128), ("learning_rate", "1e-5"), ("use_lora", False), ("num_epochs", 1)],
    )
    def test_bounds_are_inside(self, client: TestClient, key: str, value: Any) -> None:
        assert client.post("/train/sft", json={**SFT, key: value}).status_code == 200

    def test_one_output_directory_for_one_live_job(self, client: TestClient) -> None:
        client.post("/train/sft", json=SFT)
        answer = client.post("/train/sft", json=SFT)
        assert answer.status_code == 409
        assert answer.json()["errors"][0]["field"] == "output_dir"

    def test_idempotency_key(self, client: TestClient) -> None:
        answers = [client.post("/train/sft", json=SFT, headers={"Idempotency-Key": "k"}).json() for _ in range(3)]
        assert answers == [answers[0]] * 3
        assert len(client.get("/jobs").json()) == 1

    def test_invalid_row_is_named(self, client: TestClient, home: Path) -> None:
        rows = ['{"instruction": "a", "output": "b"}'] * 10
        rows[6] = '{"instruction": "a", "output": 7}'
        (home / "data/bad.jsonl").write_text("\n".join(rows))
        answer = client.post("/train/sft", json={**SFT, "dataset_path": "data/bad.jsonl"})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["line"] == 7


class TestStartDpo:
    def test_the_guides_answer(self, client: TestClient) -> None:
        answer = client.post("/train/dpo", json={**DPO, "beta": 0.2})
        assert answer.status_code == 200
        config = client.get(f"/jobs/{answer.json()['job_id']}").json()["config"]
        wanted = {"num_epochs": 1, "batch_size": 4, "learning_rate": 5e-7, "beta": 0.2, "use_lora": True}
        assert {key: config[key] for key in wanted} == wanted

    @pytest.mark.parametrize(("key", "value"), [("num_epochs", 11), ("beta", 0), ("beta", -1)])
    def test_bounds(self, client: TestClient, key: str, value: Any) -> None:
        answer = client.post("/train/dpo", json={**DPO, key: value})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == key


class TestUploadDataset:
    def test_usable_as_dataset_path(self, client: TestClient) -> None:
        content = b'[{"instruction": "a", "output": "b"}]'
        answer = client.post("/upload/dataset", files={"file": ("my_dataset.json", content)})
        assert answer.status_code == 200
        found = answer.json()
        assert found["filename"] == "my_dataset.json"
        assert found["size"] == len(content)
        started = client.post("/train/sft", json={**SFT, "dataset_path": found["file_path"]})
        assert started.status_code == 200

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("../../x.json", "x.json"),
            ("C:\\data\\x.json", "x.json"),
            ("x" * 300 + ".json", "x" * 200),
            ("a\u202egnp.json", "agnp.json"),
            ("데이터.jsonl", "데이터.jsonl"),
        ],
    )
    def test_name_is_for_people_only(self, client: TestClient, home: Path, name: str, shown: str) -> None:
        found = client.post("/upload/dataset", files={"file": (name, b"{}")}).json()
        assert found["filename"] == shown
        assert re.fullmatch(r"data/uploads/[0-9a-f]{32}(\.jsonl?)?", found["file_path"])
        assert (home / found["file_path"]).read_bytes() == b"{}"

    def test_same_file_twice_is_stored_once(self, client: TestClient) -> None:
        answers = [client.post("/upload/dataset", files={"file": (name, b"{}")}) for name in ("a.json", "b.json")]
        assert len({answer.json()["file_path"] for answer in answers}) == 1

    @pytest.mark.parametrize(
        ("body", "kind", "status"),
        [
            (b"", "multipart/form-data; boundary=x", 422),
            (b"junk", "multipart/form-data; boundary=x", 422),
            (b"{}", "multipart/form-data", 415),
            (b"{}", "application/json", 415),
            (b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\ncut", "multipart/form-data; boundary=x", 422),  # noqa: E501
            (b"--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nvalue\r\n--x--\r\n", "multipart/form-data; boundary=x", 422),  # noqa: E501
        ],
    )  # fmt: skip
    def test_bad_form_leaves_nothing(self, client: TestClient, home: Path, body: bytes, kind: str, status: int) -> None:
        answer = client.post("/upload/dataset", content=body, headers={"Content-Type": kind})
        assert answer.status_code == status
        assert not (home / "data/uploads").exists() or os.listdir(home / "data/uploads") == []

    def test_empty_file(self, client: TestClient, home: Path) -> None:
        answer = client.post("/upload/dataset", files={"file": ("a.json", b"")})
        assert answer.status_code == 422
        assert "empty" in answer.json()["detail"]
        assert os.listdir(home / "data/uploads") == []

    def test_thousands_of_parts(self, client: TestClient) -> None:
        part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        answer = client.post(
            "/upload/dataset",
            content=part * 10_000 + b"--x--\r\n",
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
        assert answer.status_code == 413
