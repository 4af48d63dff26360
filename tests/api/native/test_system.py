"""The server's settings and the audit log's export, over HTTP."""

from starlette.testclient import TestClient


def test_settings_in_force(client: TestClient) -> None:
    found = {each["variable"]: each for each in client.get("/api/v1/settings").json()["settings"]}
    assert found["FINERY_CPU_SLOTS"]["value"] == "2"
    assert found["FINERY_CPU_SLOTS"]["description"] == "How many runs may share the CPU."
    assert found["TRAINING_DB_URL"]["is_default"]


def test_the_disk_of_the_home(client: TestClient) -> None:
    found = client.get("/api/v1/system").json()
    assert 0 < found["disk_free_bytes"] <= found["disk_total_bytes"]


def test_the_audit_log_as_a_table(client: TestClient) -> None:
    client.put("/api/v1/secrets/HF_TOKEN", json={"value": "hf_geheim"})
    answer = client.get("/api/v1/audit/export", params={"format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    names, *lines = answer.text.splitlines()
    assert names.startswith("id,at,user_id,user_name,action,target")
    assert any(",set_secret,HF_TOKEN," in line for line in lines)
    assert "geheim" not in answer.text
    assert client.get("/api/v1/audit/export", params={"format": "xml"}).status_code == 422


def test_the_queue(client: TestClient) -> None:
    run = client.post("/api/v1/runs", json={"recipe": "command", "config": {"argv": ["true"]}}).json()
    found = client.get("/api/v1/queue", headers={"Accept-Language": "ja"}).json()
    assert (found["length"], found["next_after"]) == (1, None)
    (entry,) = found["entries"]
    assert (entry["position"], entry["reason"], entry["message"]) == (1, "starts_next", "次に開始されます")
    assert entry["run"]["id"] == run["id"]
