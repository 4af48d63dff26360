"""Two researchers and an administrator: what a name of a model, of an output or of a job means to each, over HTTP."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from finery.contracts.permissions import Level
from tests.api.test_ownership import Keys, key_of
from tests.builders import RUN, write_rows
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
