"""The samples, as datasets of whoever asks for them."""

from starlette.testclient import TestClient

from tests import builders


def test_a_sample_becomes_a_dataset_once(client: TestClient) -> None:
    names = [each["name"] for each in client.get("/api/v1/samples").json()["samples"]]
    assert names == ["instructions", "preferences", "feedback", "corpus"]
    first = client.post("/api/v1/samples/instructions")
    assert first.status_code == 201
    stored = first.json()
    assert (
        client.get(f"/api/v1/datasets/{stored['id']}/content").content
        == (builders.SAMPLES / "instructions.jsonl").read_bytes()
    )
    again = client.post("/api/v1/samples/instructions").json()
    assert (again["id"], again["newest"]["version"]) == (stored["id"], 1)


def test_a_run_may_train_on_it(client: TestClient) -> None:
    stored = client.post("/api/v1/samples/preferences").json()
    body = {"recipe": "dpo", "config": {"model_name": "finery/tiny-llama", "dataset_path": stored["path"]}}
    assert client.post("/api/v1/runs", json=body).status_code == 201


def test_what_is_no_sample(client: TestClient) -> None:
    answer = client.post("/api/v1/samples/instruction")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "there is no sample 'instruction'; did you mean instructions?"
    assert client.get("/api/v1/datasets").json()["datasets"] == []
