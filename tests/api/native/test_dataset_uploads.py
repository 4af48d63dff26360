"""A dataset's file in parts over HTTP: interrupted, gone on with, completed, by Ann and by Bob."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from finery.contracts.permissions import Level
from finery.domain.files import dataset_uploads
from finery.domain.files.dataset_uploads import LIFETIME
from finery.http.services import Services
from tests.api.test_ownership import Keys, key_of
from tests.domain.accounts import people
from tests.domain.files import parted

UPLOADS = "/api/v1/uploads"
CONTENT = b'{"prompt": "a", "completion": "b"}\n' * 3
HALF = 50


@pytest.fixture
def services(client: TestClient) -> Services:
    found: Services = client.app.state.services  # type: ignore[attr-defined]
    return found


@pytest.fixture
def keys(services: Services) -> Keys:
    people.first_admin(services.database)
    levels = {"ann": Level.RESEARCHER, "bob": Level.RESEARCHER, "eve": Level.VIEWER}
    return {name: key_of(services, name, level) for name, level in levels.items()}


def begin(client: TestClient, *, size: int = len(CONTENT), key: dict[str, str] | None = None) -> str:
    answer = client.post(UPLOADS, json={"filename": "rows.jsonl", "size_bytes": size}, headers=key)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


def send(client: TestClient, upload: str, start: Any, data: bytes, key: dict[str, str] | None = None) -> Any:
    fields = {} if start is None else {"start": start}
    return client.post(f"{UPLOADS}/{upload}/parts", files={"data": ("part", data)}, data=fields, headers=key)


def finish(client: TestClient, upload: str, *, key: dict[str, str] | None = None, **fields: Any) -> Any:
    return client.post(f"{UPLOADS}/{upload}/complete", json=fields, headers=key)


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


class TestInterrupted:
    def test_goes_on_where_it_was(self, client: TestClient, home: Path) -> None:
        upload = begin(client)
        assert send(client, upload, 0, CONTENT[:HALF]).json()["received_bytes"] == HALF
        [waiting] = client.get(UPLOADS).json()["uploads"]
        assert (waiting["id"], waiting["filename"], waiting["received_bytes"]) == (upload, "rows.jsonl", HALF)
        [part] = client.get(f"{UPLOADS}/{upload}").json()["parts"]
        assert part == {"start": 0, "size_bytes": HALF, "sha256": hashlib.sha256(CONTENT[:HALF]).hexdigest()}
        assert send(client, upload, HALF, CONTENT[HALF:]).json()["received_bytes"] == len(CONTENT)
        made = finish(client, upload, name="tickets", note="of May", shared=True).json()
        assert (made["name"], made["shared"], made["newest"]["note"]) == ("tickets", True, "of May")
        assert client.get(f"/api/v1/datasets/{made['id']}/content").content == CONTENT
        assert client.get(UPLOADS).json()["uploads"] == []
        assert finish(client, upload).json() == made
        assert client.get(f"{UPLOADS}/{upload}").json()["dataset_id"] == made["id"]
        assert not list((home / "datasets" / "blobs").glob(".partial*"))

    def test_a_part_that_is_there_or_leaves_a_gap_is_refused(self, client: TestClient) -> None:
        upload = begin(client)
        send(client, upload, 0, CONTENT[:HALF])
        for start in (0, HALF - 1, HALF + 1):
            assert refusal(send(client, upload, start, CONTENT[HALF:])) == (409, "part_misplaced")
        assert client.get(f"{UPLOADS}/{upload}").json()["received_bytes"] == HALF

    def test_becomes_the_next_version_of_a_dataset(self, client: TestClient) -> None:
        files = {"file": ("a.jsonl", CONTENT[:35])}
        dataset = client.post("/api/v1/datasets", files=files).json()["id"]
        upload = begin(client)
        send(client, upload, 0, CONTENT)
        answer = finish(client, upload, dataset_id=dataset)
        assert (answer.json()["id"], answer.json()["newest"]["version"]) == (dataset, 2)


class TestRefusals:
    def test_larger_than_announced(self, client: TestClient) -> None:
        upload = begin(client, size=HALF)
        assert refusal(send(client, upload, 0, CONTENT)) == (422, "upload_mismatch")

    def test_larger_than_allowed(self, client: TestClient) -> None:
        answer = client.post(UPLOADS, json={"filename": "a", "size_bytes": 2**50})
        assert refusal(answer) == (413, "too_large")

    def test_in_too_many_parts(self, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dataset_uploads, "MOST_PARTS", 2)
        upload = begin(client)
        assert [send(client, upload, start, CONTENT[start : start + 1]).status_code for start in (0, 1)] == [200, 200]
        assert refusal(send(client, upload, 2, CONTENT[2:])) == (413, "too_large")

    @pytest.mark.parametrize("start", [None, "x", -1])
    def test_bad_start(self, client: TestClient, start: Any) -> None:
        answer = send(client, begin(client), start, CONTENT)
        assert answer.status_code == 422
        assert [issue["field"] for issue in answer.json()["error"]["errors"]] == ["start"]

    def test_completed_too_early(self, client: TestClient) -> None:
        upload = begin(client)
        assert refusal(finish(client, upload)) == (409, "upload_incomplete")
        send(client, upload, 0, CONTENT[:HALF])
        assert refusal(finish(client, upload)) == (409, "upload_incomplete")

    def test_a_taken_name_leaves_the_parts(self, client: TestClient) -> None:
        client.post("/api/v1/datasets", files={"file": ("a.jsonl", CONTENT[:35])}, data={"name": "taken"})
        upload = begin(client)
        send(client, upload, 0, CONTENT)
        assert refusal(finish(client, upload, name="taken")) == (409, "dataset_name_taken")
        assert finish(client, upload, name="free").status_code == 201

    def test_discarded(self, client: TestClient, services: Services, home: Path) -> None:
        upload = begin(client)
        send(client, upload, 0, CONTENT[:HALF])
        for _ in range(2):
            assert client.delete(f"{UPLOADS}/{upload}").status_code == 204
        assert refusal(send(client, upload, HALF, CONTENT[HALF:])) == (422, "upload_not_pending")
        parted.clean(services.database, home)
        assert parted.part_files(home) == set()

    def test_given_up_after_a_day(self, client: TestClient, services: Services, home: Path) -> None:
        upload = begin(client)
        send(client, upload, 0, CONTENT[:HALF])
        parted.age(services.database, LIFETIME * 0.9)
        assert [found["id"] for found in client.get(UPLOADS).json()["uploads"]] == [upload]
        parted.age(services.database, LIFETIME * 0.2)
        assert client.get(UPLOADS).json()["uploads"] == []
        assert refusal(send(client, upload, HALF, CONTENT[HALF:])) == (422, "upload_not_pending")
        parted.clean(services.database, home)
        assert parted.part_files(home) == set()

    def test_is_no_upload_of_the_openai_dialect(self, client: TestClient) -> None:
        upload = begin(client)
        assert client.post(f"/v1/uploads/{upload}/cancel").status_code == 404
        body = {"filename": "a.jsonl", "bytes": 1, "mime_type": "text/jsonl", "purpose": "fine-tune"}
        theirs = client.post("/v1/uploads", json=body).json()["id"]
        assert refusal(client.get(f"{UPLOADS}/{theirs}")) == (404, "upload_not_found")


class TestOwnership:
    def test_anothers_is_as_none(self, client: TestClient, keys: Keys) -> None:
        upload = begin(client, key=keys["ann"])
        assert client.get(UPLOADS, headers=keys["bob"]).json()["uploads"] == []
        bob = keys["bob"]
        answers = [
            client.get(f"{UPLOADS}/{upload}", headers=bob),
            send(client, upload, 0, CONTENT, bob),
            finish(client, upload, key=bob),
            client.delete(f"{UPLOADS}/{upload}", headers=bob),
        ]
        assert [refusal(answer) for answer in answers] == [(404, "upload_not_found")] * 4
        assert send(client, upload, 0, CONTENT, keys["ann"]).status_code == 200

    def test_anothers_dataset_gets_no_version(self, client: TestClient, keys: Keys) -> None:
        files = {"file": ("a.jsonl", CONTENT[:35])}
        theirs = client.post("/api/v1/datasets", files=files, headers=keys["bob"]).json()["id"]
        upload = begin(client, key=keys["ann"])
        send(client, upload, 0, CONTENT, keys["ann"])
        assert finish(client, upload, key=keys["ann"], dataset_id=theirs).status_code == 404

    def test_who_only_reads_uploads_nothing(self, client: TestClient, keys: Keys) -> None:
        answer = client.post(UPLOADS, json={"filename": "a", "size_bytes": 1}, headers=keys["eve"])
        assert refusal(answer) == (403, "permission_missing")
