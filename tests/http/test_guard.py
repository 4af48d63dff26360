from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

JSON = {"Content-Type": "application/json"}
JOB = b'{"job_id": "a", "model_name": "m", "dataset": "d"}'


class TestHost:
    @pytest.mark.parametrize("host", ["127.0.0.1:8001", "localhost", "LOCALHOST:1", "[::1]:8001", "x.localhost"])
    def test_this_machine_is_known(self, client: TestClient, host: str) -> None:
        assert client.get("/healthz", headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize(
        "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "[", "a b"]
    )
    def test_foreign_host_is_refused_in_the_dialects_shape(self, client: TestClient, host: str) -> None:
        answer = client.get("/jobs", headers={"Host": host})
        assert answer.status_code == 421
        assert "FINERY_ALLOWED_HOSTS" in answer.json()["detail"]
        assert client.get("/api/v1/runs", headers={"Host": host}).json()["error"]["code"] == "unknown_host"


class TestOrigin:
    @pytest.mark.parametrize(
        "origin", ["null", "http://evil.example", "http://localhost:8001", "https://127.0.0.1", "http://["]
    )
    def test_foreign_origin_may_not_change_anything(self, client: TestClient, origin: str) -> None:
        answer = client.post("/jobs", content=JOB, headers={**JSON, "Origin": origin})
        assert answer.status_code == 403
        assert client.get("/jobs").json() == []

    def test_own_origin_and_none_may(self, client: TestClient) -> None:
        answer = client.post("/jobs", content=JOB, headers={**JSON, "Origin": "http://127.0.0.1:8001"})
        assert answer.status_code == 201


class TestContentType:
    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/x-www-form-urlencoded", "text/plain; x=application/json"]
    )
    def test_disguised_json_is_refused(self, client: TestClient, kind: str) -> None:
        assert client.post("/jobs", content=JOB, headers={"Content-Type": kind}).status_code == 415

    def test_undeclared_body_is_refused(self, client: TestClient) -> None:
        assert client.post("/jobs", content=JOB).status_code == 415

    def test_no_body_needs_no_declaration(self, client: TestClient) -> None:
        client.post("/jobs", content=JOB, headers=JSON)
        assert client.post("/jobs/a/cancel").status_code == 200


class TestBodyLimit:
    @pytest.fixture
    def limits(self) -> dict[str, Any]:
        return {"max_json_bytes": 2048, "max_upload_bytes": 4096}

    @pytest.fixture
    def settings(self, settings: Any, limits: dict[str, Any]) -> Any:
        return settings.model_copy(update=limits)

    @pytest.mark.parametrize(("path", "kind", "size"), [("/jobs", "application/json", 2049)])
    def test_declared_length(self, client: TestClient, path: str, kind: str, size: int) -> None:
        answer = client.post(path, content=b" " * size, headers={"Content-Type": kind})
        assert answer.status_code == 413
        assert "2048 bytes" in answer.json()["detail"]

    def test_chunked(self, client: TestClient) -> None:
        def chunks() -> Iterator[bytes]:
            for _ in range(10):
                yield b" " * 1000

        answer = client.post("/jobs", content=chunks(), headers=JSON)
        assert answer.status_code == 413

    def test_upload_has_a_limit_of_its_own(self, client: TestClient, settings: Any) -> None:
        answer = client.post("/upload/dataset", files={"file": ("a.json", b"x" * 3000)})
        assert answer.status_code == 200
        answer = client.post("/upload/dataset", files={"file": ("a.json", b"x" * 5000)})
        assert answer.status_code == 413
        assert len([path for path in settings.home.glob("data/uploads/*") if path.suffix != ".meta"]) == 1


class TestSecurityHeaders:
    @pytest.mark.parametrize("path", ["/healthz", "/jobs", "/nothing", "/docs"])
    def test_everywhere(self, client: TestClient, path: str) -> None:
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
