"""Stored datasets over HTTP, by Ann, Bob and a lead."""

import errno
import io
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from finery.app.settings import Settings
from finery.contracts.permissions import Level, Principal, permissions_of
from finery.contracts.stored_datasets import Dataset
from finery.domain import accounts
from finery.http.services import Services
from tests.domain.accounts import people
from tests.domain.datasets.stored import ROW, files, sweep
from tests.servers import RunningServer

DATASETS = "/api/v1/datasets"
PART = 'Content-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
Headers = dict[str, str]


@pytest.fixture
def services(client: TestClient) -> Services:
    found: Services = client.app.state.services  # type: ignore[attr-defined]
    return found


def upload(client: TestClient, content: bytes | str = ROW, *, filename: str = "rows.jsonl", **options: Any) -> Any:
    data = content.encode() if isinstance(content, str) else content
    fields = {key: value for key, value in options.items() if key != "headers"}
    return client.post(DATASETS, files={"file": (filename, data)}, data=fields, headers=options.get("headers", {}))


def stored(client: TestClient, content: bytes | str = ROW, **options: Any) -> dict[str, Any]:
    answer = upload(client, content, **options)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def leftovers(home: Path) -> list[Path]:
    return [path for path in (home / "datasets").rglob("*") if path.is_file()]


class TestCreate:
    def test_is_stored_and_trained_on(self, client: TestClient, home: Path) -> None:
        made = stored(client, name="Train", note="first", shared="true")
        assert (made["name"], made["shared"], made["newest"]["note"]) == ("Train", True, "first")
        assert (made["path"], made["size_bytes"]) == (f"dataset:{made['id']}@1", len(ROW))
        config = {"model_name": "finery/tiny-llama", "dataset_path": made["path"]}
        run = client.post("/api/v1/runs", json={"recipe": "sft", "config": config})
        assert (run.status_code, run.json()["dataset"]) == (201, made["path"])
        assert code(client.delete(f"{DATASETS}/{made['id']}")) == (409, "dataset_in_use")
        by_name = {"model_name": "finery/tiny-llama", "dataset_path": "dataset:Train", "output_dir": "outputs/x"}
        assert client.post("/train/sft", json=by_name).status_code == 200
        assert len(leftovers(home)) == 1

    def test_fields_may_follow_the_file(self, client: TestClient) -> None:
        parts = [PART.format('file"; filename="a.jsonl', ROW), PART.format("name", "모델"), PART.format("note", "")]
        body = "".join(f"--x\r\n{part}" for part in parts) + "--x--\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = client.post(DATASETS, content=body.encode(), headers=kind)
        assert (answer.status_code, answer.json()["name"]) == (201, "모델")

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"nmae": "x"}, "nmae"),
            ({"shared": "perhaps"}, "shared"),
            ({"name": "a@1"}, "name"),
            ({"note": "x" * 5000}, "note"),
        ],
    )
    def test_bad_field(self, client: TestClient, home: Path, fields: dict[str, str], field: str) -> None:
        answer = upload(client, **fields)
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["error"]["errors"]] == [field]
        assert leftovers(home) == []

    @pytest.mark.parametrize(
        ("filename", "shown"),
        [
            ("../../x.jsonl", "x.jsonl"),
            ("x" * 300 + ".jsonl", "x" * 200),
            ("a\0b.jsonl", "ab.jsonl"),
            ("a\N{RIGHT-TO-LEFT OVERRIDE}lnosj.jsonl", "alnosj.jsonl"),
        ],
    )
    def test_file_name_is_for_people_only(self, client: TestClient, home: Path, filename: str, shown: str) -> None:
        part = PART.format(f'file"; filename="{filename}', ROW)
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = client.post(DATASETS, content=f"--x\r\n{part}--x--\r\n".encode(), headers=kind)
        assert (answer.status_code, answer.json()["filename"]) == (201, shown)
        [file] = leftovers(home)
        assert file.parent.parent == home / "datasets" / "blobs"
        assert file.name.startswith(answer.json()["sha256"])

    def test_taken_name(self, client: TestClient) -> None:
        stored(client, name="a")
        assert code(upload(client, ROW * 2, name="a")) == (409, "dataset_name_taken")

    def test_same_file_twice_is_stored_once(self, client: TestClient, home: Path) -> None:
        first, second = stored(client), stored(client)
        assert first == second
        stored(client, name="other")
        assert len(leftovers(home)) == 1

    def test_empty(self, client: TestClient, home: Path) -> None:
        assert code(upload(client, b"")) == (422, "invalid_upload")
        assert leftovers(home) == []

    def test_thousands_of_parts(self, client: TestClient, home: Path) -> None:
        body = "".join(f"--x\r\n{PART.format(f'a{number % 50}', 1)}" for number in range(10_000)) + "--x--\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        assert code(client.post(DATASETS, content=body.encode(), headers=kind)) == (413, "too_large")
        assert leftovers(home) == []

    def test_large_fields(self, client: TestClient, home: Path) -> None:
        assert code(upload(client, note="x" * (65 << 10))) == (413, "too_large")
        assert code(upload(client, **{f"f{number}": "" for number in range(101)})) == (413, "too_large")
        assert code(upload(client, **{"f" * 101: ""})) == (422, "invalid_upload")
        assert leftovers(home) == []

    def test_a_field_twice(self, client: TestClient) -> None:
        parts = [PART.format('file"; filename="a.jsonl', ROW), PART.format("name", "a"), PART.format("name", "b")]
        body = "".join(f"--x\r\n{part}" for part in parts) + "--x--\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = client.post(DATASETS, content=body.encode(), headers=kind)
        assert (answer.status_code, answer.json()["error"]["errors"][0]["field"]) == (422, "name")

    @pytest.mark.parametrize("value", ["a\0b", b"\xff"])
    def test_fields_that_are_no_text(self, client: TestClient, home: Path, value: str | bytes) -> None:
        answer = client.post(DATASETS, files={"file": ("a.jsonl", ROW)}, data={"name": value})
        assert code(answer) == (422, "invalid_upload")
        assert leftovers(home) == []

    def test_full_disk(self, client: TestClient, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("finery.http.uploads._Sink.write", full)
            assert code(upload(client)) == (507, "disk_full")
        assert leftovers(home) == []
        assert stored(client)

    def test_no_request_names_a_stored_file_by_its_path(self, client: TestClient, home: Path) -> None:
        stored(client)
        [file] = leftovers(home)
        config = {"model_name": "finery/tiny-llama", "dataset_path": str(file.relative_to(home))}
        answer = client.post("/api/v1/runs", json={"recipe": "sft", "config": config})
        assert (answer.status_code, answer.json()["error"]["errors"][0]["field"]) == (422, "dataset_path")


class TestLimit:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"max_upload_bytes": 4096})

    def test_declared_and_chunked(self, client: TestClient, home: Path) -> None:
        assert code(upload(client, b"x" * 5000)) == (413, "too_large")
        part = PART.format('file"; filename="a', "y" * 5000)
        body = f"--x\r\n{part}--x--\r\n".encode()

        def chunks() -> Iterator[bytes]:
            for start in range(0, len(body), 1000):
                yield body[start : start + 1000]

        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        assert code(client.post(DATASETS, content=chunks(), headers=kind)) == (413, "too_large")
        assert leftovers(home) == []


class TestVersions:
    def test_from_upload_to_delete(self, client: TestClient, services: Services, home: Path) -> None:
        made = stored(client)
        address = f"{DATASETS}/{made['id']}"
        new = b'{"prompt": "c", "completion": "d"}\n'
        added = client.post(f"{address}/versions", files={"file": ("b.jsonl", new)}, data={"note": "more"})
        assert (added.status_code, added.json()["version"], added.json()["note"]) == (201, 2, "more")
        assert client.get(address).json()["newest"] == added.json()
        diff = client.get(f"{address}/diff", params={"old": 1}).json()
        assert (diff["added"], diff["removed"], diff["first_added"][0]["value"]["prompt"]) == (1, 1, "c")
        restored = client.post(f"{address}/restore", json={"version": 1})
        assert (restored.status_code, restored.json()["version"]) == (201, 3)
        versions = client.get(f"{address}/versions").json()["versions"]
        assert [version["version"] for version in versions] == [3, 2, 1]
        assert client.get(f"{address}/content").content == ROW.encode()
        assert client.get(f"{address}/content", params={"version": 2}).content == new
        assert client.delete(address).status_code == 204
        assert code(client.get(address)) == (404, "dataset_not_found")
        sweep(services.database, home)
        assert leftovers(home) == []

    def test_content_in_ranges(self, client: TestClient) -> None:
        made = stored(client, filename='x"; a.jsonl')
        address = f"{DATASETS}/{made['id']}/content"
        part = client.get(address, headers={"Range": "bytes=2-9"})
        assert (part.status_code, part.content) == (206, ROW[2:10].encode())
        assert "filename*=UTF-8''" in part.headers["Content-Disposition"]
        assert client.get(address, headers={"Range": "bytes=999-"}).status_code == 416

    def test_preview(self, client: TestClient) -> None:
        made = stored(client, '{"text": "a"}\nbroken\n{"text": "c"}\n')
        rows = client.get(f"{DATASETS}/{made['id']}/preview", params={"rows": 2, "offset": 1}).json()["rows"]
        assert [row["value"] for row in rows] == [None, {"text": "c"}]

    def test_statistics_are_counted_once(
        self, client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = stored(client)
        address = f"{DATASETS}/{made['id']}/statistics"
        first = client.get(address).json()
        assert (first["rows"], first["roles"]) == (1, {"user": 1, "assistant": 1})
        monkeypatch.delattr("finery.domain.datasets.measure")
        assert client.get(address).json() == first

    def test_no_table(self, client: TestClient) -> None:
        """It may be stored all the same, and mended later."""
        zipped = b"PK\x03\x04"
        address = f"{DATASETS}/{stored(client, zipped)['id']}"
        for question in ("preview", "statistics", "diff?old=1"):
            assert code(client.get(f"{address}/{question}")) == (422, "dataset_unreadable")

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("preview?rows=0", 422),
            ("preview?version=2", 404),
            ("diff", 422),
            ("diff?old=7", 404),
            ("content?version=9", 404),
        ],
    )
    def test_bad_questions(self, client: TestClient, path: str, status: int) -> None:
        assert client.get(f"{DATASETS}/{stored(client)['id']}/{path}").status_code == status


class TestList:
    def test_search_is_for_a_part_of_the_name(self, client: TestClient) -> None:
        for name in ("Tickets of May", "tickets_june", "École", "100%"):
            stored(client, name=name)
        for text, names in {
            "TICKETS": ["tickets_june", "Tickets of May"],
            "%": ["100%"],
            "s_": ["tickets_june"],
            "École": ["École"],
        }.items():
            found = client.get(DATASETS, params={"search": text}).json()["datasets"]
            assert [dataset["name"] for dataset in found] == names


class TestRuns:
    def train(self, client: TestClient, made: dict[str, Any], headers: Headers | None = None, **config: Any) -> str:
        config = {"model_name": "finery/tiny-llama", "dataset_path": made["path"], **config}
        answer = client.post("/api/v1/runs", json={"recipe": "sft", "config": config}, headers=headers)
        assert answer.status_code == 201, answer.text
        found: str = answer.json()["id"]
        return found

    def test_newest_first_with_version_and_field(self, client: TestClient) -> None:
        made, other = stored(client), stored(client, name="other")
        first = self.train(client, made)
        self.train(client, other)
        again = stored(client, ROW * 2)
        second = self.train(client, other, eval_dataset_path=again["path"])
        uses = client.get(f"{DATASETS}/{made['id']}/runs").json()["uses"]
        shown = [(use["run_id"], use["config_field"], use["version"], use["status"]) for use in uses]
        assert shown == [(second, "eval_dataset_path", 2, "queued"), (first, "dataset_path", 1, "queued")]

    def test_pages(self, client: TestClient) -> None:
        made = stored(client)
        ids = [self.train(client, made) for _ in range(3)]
        address, cursor, found = f"{DATASETS}/{made['id']}/runs", None, []
        for _ in range(2):
            page = client.get(address, params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
            cursor, found = page["next_cursor"], [*found, *(use["run_id"] for use in page["uses"])]
        assert (found, cursor) == (ids[::-1], None)

    def test_others_private_runs_stay_hidden(self, client: TestClient, services: Services) -> None:
        people.first_admin(services.database)
        ann, bob = (_key(services, name, Level.RESEARCHER) for name in ("ann", "bob"))
        made = stored(client, headers=ann, shared="true")
        hidden = self.train(client, made, bob)
        address = f"{DATASETS}/{made['id']}/runs"
        assert client.get(address, headers=ann).json()["uses"] == []
        client.patch(f"/api/v1/runs/{hidden}", json={"shared": True}, headers=bob)
        assert [use["run_id"] for use in client.get(address, headers=ann).json()["uses"]] == [hidden]


class TestOwnership:
    @pytest.fixture
    def keys(self, services: Services) -> dict[str, Headers]:
        people.first_admin(services.database)
        levels = {"ann": Level.RESEARCHER, "bob": Level.RESEARCHER, "lead": Level.LEAD, "eve": Level.VIEWER}
        return {name: _key(services, name, level) for name, level in levels.items()}

    def test_private(self, client: TestClient, keys: dict[str, Headers]) -> None:
        made = stored(client, headers=keys["ann"])
        assert [route for route in self.routes(client, made, keys["bob"]) if route[1] != 404] == []
        assert client.get(DATASETS, headers=keys["bob"]).json()["datasets"] == []
        assert {status for _, status in self.routes(client, made, keys["lead"])} <= {200, 201, 204}

    def test_shared(self, client: TestClient, keys: dict[str, Headers]) -> None:
        made = stored(client, headers=keys["ann"])
        address = f"{DATASETS}/{made['id']}"
        assert client.patch(address, json={"shared": True}, headers=keys["ann"]).json()["shared"] is True
        found = client.get(DATASETS, params={"name": "rows"}, headers=keys["bob"]).json()["datasets"]
        assert [Dataset.model_validate(each).id for each in found] == [made["id"]]
        for (method, _), status in self.routes(client, made, keys["bob"]):
            assert status == (200 if method == "GET" else 403)

    def test_viewers_read(self, client: TestClient, keys: dict[str, Headers]) -> None:
        assert code(upload(client, headers=keys["eve"])) == (403, "permission_missing")
        assert client.get(DATASETS, headers=keys["eve"]).status_code == 200

    def routes(self, client: TestClient, made: dict[str, Any], headers: Headers) -> list[tuple[tuple[str, str], int]]:
        address = f"{DATASETS}/{made['id']}"
        asked: list[tuple[str, str, dict[str, Any]]] = [
            *(
                ("GET", path, {})
                for path in ("", "/versions", "/preview", "/statistics", "/diff?old=1", "/content", "/runs")
            ),
            ("POST", "/versions", {"files": {"file": ("a", io.BytesIO(b"x"))}}),
            ("POST", "/restore", {"json": {"version": 1}}),
            ("PATCH", "", {"json": {"name": "other"}}),
            ("DELETE", "", {}),
        ]
        return [
            ((method, path), client.request(method, address + path, headers=headers, **options).status_code)
            for method, path, options in asked
        ]


class TestServer:
    """With a real server, whose clients and whose life end half-way."""

    def half(self, server: RunningServer, path: str = DATASETS) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", server.port))
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
        )
        connection.sendall(head.encode() + b"y" * 3_000_000)
        wait_until(lambda: any(path.stat().st_size for path in leftovers(server.home)))
        return connection

    def test_client_gone_half_way(self, server: RunningServer) -> None:
        self.half(server).close()
        wait_until(lambda: not leftovers(server.home))
        assert httpx.get(f"{server.url}{DATASETS}").json()["datasets"] == []
        assert "Traceback" not in server.log.read_text()

    def test_killed_half_way(self, home: Path) -> None:
        server = RunningServer(home)
        server.start()
        with self.half(server):
            server.kill()
        assert len(leftovers(home)) == 1
        with server:
            assert leftovers(home) == []
            assert httpx.get(f"{server.url}{DATASETS}").json()["datasets"] == []

    def test_killed_before_the_commit(self, home: Path) -> None:
        file = {"file": ("a.jsonl", ROW.encode())}
        with RunningServer(home, FINERY_FAILPOINTS="runs.before_commit=kill") as server:
            with pytest.raises(httpx.TransportError):
                httpx.post(f"{server.url}{DATASETS}", files=file)
            assert len(files(home)) == 1
        with RunningServer(home) as server:
            assert leftovers(home) == []
            assert httpx.post(f"{server.url}{DATASETS}", files=file).status_code == 201

    def test_full_disk(self, home: Path) -> None:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", home], capture_output=True)
        if mounted.returncode != 0:
            pytest.skip("a small disk needs the right to mount one")
        try:
            with RunningServer(home) as server:
                answer = httpx.post(f"{server.url}{DATASETS}", files={"file": ("a.jsonl", b"x" * 8_000_000)})
                assert answer.status_code == 507
                assert leftovers(home) == []
                assert server.is_healthy()
        finally:
            subprocess.run(["umount", "-l", home], check=True)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _key(services: Services, name: str, level: Level) -> Headers:
    user = people.user(services.database, name, level)
    with services.database.write() as session:
        principal = Principal(user.id, name, permissions_of([level]))
        return {"Authorization": f"Bearer {accounts.create_key(session, principal, name='test').key}"}
