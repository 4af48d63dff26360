"""A dialect that is no part of Finery, in one file: mounted, documented, and heard of errors in its own shape."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from finery.api import DIALECTS
from finery.app.asgi import build_app
from finery.app.composition import Composition
from finery.app.settings import Settings
from finery.http.dialects import Dialect
from tests import builders
from tests.idle import IdleScheduler
from tests.servers import ROOT

PAGE = "https://page.example"


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dialect]:
    monkeypatch.syspath_prepend(ROOT / "examples" / "dialects")
    import workshop

    yield workshop.DIALECT
    del sys.modules["workshop"]


@pytest.fixture
def app(workshop: Dialect, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setattr("finery.app.composition.Scheduler", IdleScheduler)
    settings = settings.model_copy(update={"allowed_origins": [PAGE]})
    return build_app(Composition(settings, dialects=(*DIALECTS, workshop)))


class TestWorkshop:
    def test_its_runs_are_everybodys(self, client: TestClient, home: Path) -> None:
        builders.write_rows(home)
        made = client.post("/api/workshop/pieces", json={"ore": "finery/tiny-llama", "fuel": "rows.jsonl"})
        assert (made.status_code, made.json()["state"]) == (201, "queued")
        piece = made.json()["piece"]
        assert client.get(f"/api/workshop/pieces/{piece}").json() == made.json()
        assert client.get(f"/api/v1/runs/{piece}").json()["source"] == "workshop"

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("POST", "/api/workshop/pieces", 422),
            ("GET", "/api/workshop/pieces/none", 404),
            ("GET", "/api/workshop/nothing", 404),
            ("GET", "/api/workshop", 404),
            ("DELETE", "/api/workshop/pieces", 405),
        ],
    )
    def test_errors_have_its_shape(self, client: TestClient, method: str, path: str, status: int) -> None:
        answer = client.request(method, path, json={} if method == "POST" else None)
        assert (answer.status_code, answer.json().keys()) == (status, {"fault", "where"})

    @pytest.mark.parametrize(
        ("path", "key"),
        [
            ("/api/nothing", "detail"),
            ("/api/v1/nothing", "error"),
            ("/api/workshops", "detail"),
            ("/nothing", "detail"),
        ],
    )
    def test_others_keep_theirs(self, client: TestClient, path: str, key: str) -> None:
        assert key in client.get(path).json()

    def test_it_stands_in_the_document(self, client: TestClient) -> None:
        document = client.get("/openapi.json").json()
        assert "/api/workshop/pieces" in document["paths"]
        assert "Fault" in document["components"]["schemas"]

    def test_pages_of_other_origins_may_send_its_headers(self, client: TestClient) -> None:
        asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
        for header, status in (("X-Apprentice", 200), ("X-Stainless-Arch", 200), ("X-Unheard-Of", 400)):
            headers = {**asked, "Access-Control-Request-Headers": header}
            assert client.options("/api/workshop/pieces", headers=headers).status_code == status
