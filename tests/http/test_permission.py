import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from finery.http.permission import Allow, Permission, is_loopback


class TestIsLoopback:
    @pytest.mark.parametrize(
        ("host", "expected"),
        [
            ("127.0.0.1", True),
            ("127.8.8.8", True),
            ("::1", True),
            ("::ffff:127.0.0.1", True),
            ("localhost", True),
            ("192.168.1.5", False),
            ("::ffff:10.0.0.1", False),
            ("0.0.0.0", False),
            ("testclient", False),
        ],
    )
    def test_addresses(self, host: str, expected: bool) -> None:
        assert is_loopback(host) is expected


class TestAllow:
    def test_two_of_one_permission_are_equal(self) -> None:
        assert Allow(Permission.RUNS_READ) == Allow(Permission.RUNS_READ)

    @pytest.mark.parametrize("headers", [{}, {"X-Forwarded-For": "127.0.0.1"}])
    def test_a_stranger_sees_health_only(self, app: FastAPI, headers: dict[str, str]) -> None:
        with TestClient(app, base_url="http://127.0.0.1:8001", client=("192.168.1.5", 5), headers=headers) as stranger:
            assert stranger.get("/healthz").status_code == 200
            assert stranger.get("/api/v1/runs").json()["error"]["code"] == "loopback_only"
            for path in ("/jobs", "/metrics", "/docs", "/openapi.json", "/health"):
                assert stranger.get(path).status_code == 403
