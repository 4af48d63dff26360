"""Two researchers and an administrator: what a name of a model, of an output or of a job means to each, over HTTP."""

import os
from pathlib import Path
from typing import Any, ClassVar

import pytest
from starlette.testclient import TestClient

from finery.contracts.permissions import Level
from tests.api.test_ownership import Keys, key_of
from tests.builders import RUN, write_rows, write_weights
from tests.domain.accounts import people

HUBS = "meta-llama/Llama-3.2-1B"


@pytest.fixture
def keys(client: TestClient, home: Path) -> Keys:
    found = client.app.state.services  # type: ignore[attr-defined]
    people.first_admin(found.database)
    write_rows(home)
    levels = {"ann": Level.RESEARCHER, "bob": Level.RESEARCHER, "root2": Level.ADMIN}
    return {name: key_of(found, name, level) for name, level in levels.items()}


def train(client: TestClient, key: dict[str, str], **config: Any) -> Any:
    return client.post("/api/v1/runs", headers=key, json={**RUN, "config": {**RUN["config"], **config}})


class TestOutputs:
    @pytest.mark.parametrize("name", [HUBS, "gpt2", "finery/tiny-llama", "data/x"])
    def test_no_name_of_the_hubs_is_taken(self, client: TestClient, keys: Keys, name: str) -> None:
        for key in keys.values():
            answer = train(client, key, output_dir=name)
            assert (answer.status_code, answer.json()["error"]["errors"][0]["field"]) == (422, "output_dir")
        assert client.get("/api/v1/runs", headers=keys["root2"]).json()["runs"] == []

    def test_the_hubs_names_stay_the_hubs(self, client: TestClient, keys: Keys) -> None:
        train(client, keys["ann"], output_dir=f"outputs/{HUBS}").raise_for_status()
        for name in (HUBS, "meta-llama/other"):
            for key in keys.values():
                assert train(client, key, model_name=name).status_code == 201


class TestNobodys:
    @pytest.mark.parametrize(
        "name", ["nosuch", "gtp2", "./nosuch", "outputs/none", "finery/tiny", "ft:a:b:c:d", "hf://x"]
    )
    def test_is_not_found_everywhere(self, client: TestClient, keys: Keys, name: str) -> None:
        key = keys["ann"]
        asked = [
            train(client, key, model_name=name),
            client.post(
                "/train/sft", headers=key, json={**RUN["config"], "output_dir": "outputs/a", "model_name": name}
            ),
            client.post("/api/v1/deployments", headers=key, json={"model": name}),
            client.post("/load_model", headers=key, params={"model_path": name}),
            client.post("/v1/chat/completions", headers=key, json={"model": name, "messages": []}),
        ]
        assert [answer.status_code for answer in asked] == [404] * len(asked), [answer.text for answer in asked]
        assert "GiB" not in "".join(answer.text for answer in asked)

    def test_a_single_word_of_the_openai_dialect_is_in_the_table(self, client: TestClient, keys: Keys) -> None:
        answer = client.post("/v1/chat/completions", headers=keys["ann"], json={"model": "gpt2", "messages": []})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
        assert "models.yaml" in answer.text


class TestHiddenCharacters:
    @pytest.mark.parametrize("text", ["a\u202eb", "\u2066a", "a\u200bb", " a", "a\t", "a\nb", "a\u0085b"])
    def test_are_refused_where_something_is_named(self, client: TestClient, keys: Keys, text: str) -> None:
        key = keys["ann"]
        job = {"job_id": text, "model_name": "m", "dataset": "d"}
        wrong = {
            "name": client.post("/api/v1/runs", headers=key, json={**RUN, "name": text}),
            "labels": client.post("/api/v1/runs", headers=key, json={**RUN, "labels": {text: "x"}}),
            "id": client.post("/api/v1/runs", headers=key, json={**RUN, "id": text}),
            "model_name": train(client, key, model_name=text),
            "output_dir": train(client, key, output_dir=f"outputs/{text}"),
            "job_id": client.post("/jobs", headers=key, json=job),
            "model": client.post("/api/v1/deployments", headers=key, json={"model": text}),
            "key": client.post("/api/v1/keys", headers=key, json={"name": text}),
        }
        # A blank inside of a path stands at neither end of the name.
        expected = {field: 201 if field == "output_dir" and text == " a" else 422 for field in wrong}
        assert {field: answer.status_code for field, answer in wrong.items()} == expected


class TestIdsOfJobs:
    JOB: ClassVar = {"job_id": "job-001", "model_name": "m", "dataset": "d"}

    def test_each_owner_has_their_own(self, client: TestClient, keys: Keys) -> None:
        ann, bob, root = keys["ann"], keys["bob"], keys["root2"]
        codes = [client.post("/jobs", headers=key, json=self.JOB).status_code for key in (ann, bob, ann, root, bob)]
        assert codes == [201, 201, 409, 201, 409]
        client.patch("/jobs/job-001/status", headers=bob, json={"status": "running"}).raise_for_status()
        told = {name: client.get("/jobs/job-001", headers=key).json() for name, key in keys.items()}
        assert {name: (job["id"], job["job_id"], job["status"]) for name, job in told.items()} == {
            "ann": ("job-001", "job-001", "queued"),
            "bob": ("job-001", "job-001", "running"),
            "root2": ("job-001", "job-001", "queued"),
        }
        assert client.delete("/jobs/job-001", headers=bob).status_code == 204
        assert [client.get("/jobs/job-001", headers=key).status_code for key in (ann, bob)] == [200, 404]

    def test_who_sees_several_hears_whose_they_are(self, client: TestClient, keys: Keys) -> None:
        for name in ("ann", "bob"):
            client.post("/jobs", headers=keys[name], json=self.JOB).raise_for_status()
        answer = client.get("/jobs/job-001", headers=keys["root2"])
        assert answer.status_code == 409
        listed = client.get("/api/v1/runs", headers=keys["root2"]).json()["runs"]
        assert [run["id"] for run in listed] == ["job-001", "job-001"]
        for run, owner in zip(listed, ("bob", "ann"), strict=True):
            assert f"'{run['uid']}' of {owner}" in answer.json()["detail"]
            own = client.get(f"/jobs/{run['uid']}", headers=keys["root2"]).json()
            assert (own["job_id"], own["status"]) == ("job-001", "queued")
        cancelled = client.post(f"/api/v1/runs/{listed[0]['uid']}/cancel", headers=keys["root2"]).json()
        assert (cancelled["status"], cancelled["owner_id"]) == ("cancelled", listed[0]["owner_id"])
        assert client.get("/jobs/job-001", headers=keys["ann"]).json()["status"] == "queued"

    def test_another_s_takes_no_name_of_a_model(self, client: TestClient, keys: Keys) -> None:
        for run_id in ("gpt2", "house"):
            body = {**RUN, "id": run_id, "shared": True}
            client.post("/api/v1/runs", headers=keys["bob"], json=body).raise_for_status()
        assert train(client, keys["ann"], model_name="gpt2").status_code == 201
        assert train(client, keys["ann"], model_name="house").status_code == 404
        answer = train(client, keys["bob"], model_name="gpt2")
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "model_ambiguous")


class TestFolders:
    @pytest.mark.timeout(60)
    def test_what_holds_a_reader_is_refused_at_once(self, client: TestClient, keys: Keys, home: Path) -> None:
        deep = '{"a":' * 50_000 + "1" + "}" * 50_000
        for name in ("piped", "deep", "data"):
            (home / name).mkdir()
            (home / name / "config.json").write_text(deep if name == "deep" else "{}")
        os.mkfifo(home / "piped" / "model.safetensors")
        write_weights(home / "deep" / "model.safetensors")
        os.mkfifo(home / "data" / "dataset_info.json")
        os.mkfifo(home / "rows.pipe")
        for name in ("./piped", "./deep"):
            answers = [
                train(client, keys["ann"], model_name=name),
                client.post("/load_model", headers=keys["ann"], params={"model_path": name}),
                client.post("/v1/chat/completions", headers=keys["ann"], json={"model": name, "messages": []}),
            ]
            assert [answer.status_code for answer in answers] == [422, 400, 404]
            told = "model.safetensors" if name == "./piped" else "config.json"
            assert all(told in answer.text for answer in answers)
        for path in ("rows.pipe", "data"):
            answer = train(client, keys["ann"], dataset_path=path)
            assert (answer.status_code, "GiB" in answer.text) == (422, False)
