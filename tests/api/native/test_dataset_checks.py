import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from finery.contracts.datasets import measurement_program
from finery.contracts.permissions import Level, Principal, permissions_of
from finery.domain import accounts
from finery.http.services import Services
from tests.domain.accounts import people

USER = {"role": "user", "content": "u"}
ROW = {"messages": [USER, {"role": "assistant", "content": "a"}]}


def write(home: Path, *rows: dict[str, Any], name: str = "d.jsonl") -> str:
    (home / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def check(client: TestClient, path: str, **fields: Any) -> httpx.Response:
    headers = fields.pop("headers", {})
    return client.post("/api/v1/datasets/check", json={"path": path, **fields}, headers=headers)


class TestCheck:
    def test_reports(self, client: TestClient, home: Path) -> None:
        answer = check(client, write(home, ROW, ROW), validation_path=write(home, ROW, name="v.jsonl"))
        assert answer.status_code == 200
        found = answer.json()
        assert (found["ok"], found["refusal"], found["rows"], found["file"]) == (True, "", 2, "d.jsonl")
        assert (found["duplicates"]["count"], found["overlap"]["count"], found["overlap"]["file"]) == (1, 2, "v.jsonl")
        assert {warning["kind"] for warning in found["warnings"]} == {"duplicate", "overlap"}
        assert found["measurement"] is None

    def test_issues_are_the_answer(self, client: TestClient, home: Path) -> None:
        found = check(client, write(home, ROW, {"messages": [{"role": "usr", "content": "u"}]})).json()
        assert (found["ok"], found["invalid"]) == (False, 1)
        assert (found["issues"][0]["line"], found["issues"][0]["field"]) == (2, "messages[0].role")
        assert found["refusal"].startswith("line 2 (row 2): messages[0].role: unknown role")

    def test_a_file_that_is_no_data(self, client: TestClient, home: Path) -> None:
        (home / "d.zip").write_bytes(b"PK\x03\x04")
        found = check(client, "d.zip").json()
        assert (found["ok"], found["refusal"][:21]) == (False, "this is a zip archive")

    @pytest.mark.parametrize("fields", [{"path": "none.jsonl"}, {"path": "../d.jsonl"}, {"recipe": "grep"}])
    def test_what_cannot_be_checked(self, client: TestClient, home: Path, fields: dict[str, str]) -> None:
        answer = check(client, **({"path": write(home, ROW)} | fields))
        assert answer.status_code == 422
        assert str(home) not in answer.text

    @pytest.mark.parametrize("field", ["path", "validation_path"])
    def test_what_is_not_there_is_named_as_it_was_sent(self, client: TestClient, home: Path, field: str) -> None:
        error = check(client, **({"path": write(home, ROW)} | {field: "none.jsonl"})).json()["error"]
        assert (error["code"], error["errors"][0]["field"]) == ("dataset_not_found", field)
        assert error["message"].startswith("there is no dataset at none.jsonl")

    def test_a_stored_dataset(self, client: TestClient) -> None:
        files = {"file": ("rows.jsonl", json.dumps(ROW).encode())}
        made = client.post("/api/v1/datasets", files=files, data={"name": "Mine"}).json()
        found = check(client, f"dataset:{made['id']}").json()
        assert (found["ok"], found["file"]) == (True, f"dataset:{made['id']}")

    def test_with_a_model_where_the_training_stack_is_missing(
        self, client: TestClient, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(measurement_program, "STACK", ("no_such_package",))
        found = check(client, write(home, ROW), model="finery/tiny-llama").json()
        assert found["ok"]
        assert found["measurement"]["is_measured"] is False
        assert "is not installed here" in found["measurement"]["reason"]

    def test_an_unknown_model(self, client: TestClient, home: Path) -> None:
        assert check(client, write(home, ROW), model="finery/nothing").status_code == 404

    def test_what_is_anothers_is_not_there(self, client: TestClient, home: Path) -> None:
        services: Services = client.app.state.services  # type: ignore[attr-defined]
        people.first_admin(services.database)
        keys = {name: _key(services, name) for name in ("ann", "bob")}
        config = {"model_name": "finery/tiny-llama", "dataset_path": write(home, ROW)}
        run = {"id": "anns", "recipe": "sft", "config": config}
        folder = f"runs/{client.post('/api/v1/runs', json=run, headers=keys['ann']).json()['uid']}"
        (home / folder).mkdir(parents=True)
        path = write(home, ROW, name=f"{folder}/d.jsonl")
        nowhere = check(client, f"{folder}/none.jsonl", headers=keys["ann"])
        for text in (path, f"{folder}/none.jsonl"):
            found = check(client, text, headers=keys["bob"])
            assert (found.status_code, found.json()["error"]["code"]) == (422, "dataset_not_found")
        assert found.json()["error"]["message"] == nowhere.json()["error"]["message"]
        assert check(client, path, headers=keys["ann"]).json()["ok"]


def _key(services: Services, name: str) -> dict[str, str]:
    user = people.user(services.database, name)
    with services.database.write() as session:
        principal = Principal(user.id, name, permissions_of([Level.RESEARCHER]))
        return {"Authorization": f"Bearer {accounts.create_key(session, principal, name='test').key}"}
