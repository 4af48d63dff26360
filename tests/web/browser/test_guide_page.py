"""The page of the training guide, opened as its reader would: from a file, and from another server."""

import functools
import re
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.servers import RunningServer

GUIDE = Path(__file__).parents[2] / "api" / "documents" / "training_guide.md"
ADDRESS = "http://localhost:8001"
JOB = {"job_id": "guided", "model_name": "m", "dataset": "d"}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def other_server(folder: Path) -> Iterator[str]:
    """The origin of another server, which serves the page."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, other_server: str) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("home")
    with RunningServer(home, FINERY_ALLOWED_ORIGINS=f"{other_server},null") as server:
        httpx.post(f"{server.url}/jobs", json=JOB, trust_env=False).raise_for_status()
        yield server


@pytest.fixture(scope="module")
def page_file(folder: Path, server: RunningServer) -> Path:
    block = re.search(r"```html\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert block is not None
    assert ADDRESS in block[1]
    file = folder / "dashboard.html"
    file.write_text(block[1].replace(ADDRESS, server.url))
    return file


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with chromium.new_context() as context:
        yield context.new_page()


class TestGuidePage:
    def test_from_a_file(self, page: Page, page_file: Path) -> None:
        page.goto(page_file.as_uri())
        expect(page.get_by_role("heading", name="guided")).to_be_visible()

    def test_from_another_server(self, page: Page, page_file: Path, other_server: str, server: RunningServer) -> None:
        page.goto(f"{other_server}/{page_file.name}")
        expect(page.get_by_text("queued")).to_be_visible()
        told = {"status": "running"}
        httpx.patch(f"{server.url}/jobs/guided/status", json=told, trust_env=False).raise_for_status()
        expect(page.get_by_text("running")).to_be_visible()

    def test_a_file_may_change_nothing(self, page: Page, page_file: Path, server: RunningServer) -> None:
        page.goto(page_file.as_uri())
        request = f"fetch('{server.url}/jobs/guided', {{method: 'DELETE'}}).then(() => 'answered', () => 'refused')"
        assert page.evaluate(request) == "refused"
        assert httpx.get(f"{server.url}/jobs/guided", trust_env=False).is_success

    def test_other_origins_read_nothing(self, page: Page, page_file: Path, other_server: str) -> None:
        page.goto(f"{other_server.replace('127.0.0.1', 'localhost')}/{page_file.name}")
        refused = page.wait_for_event("requestfailed")
        assert refused.url.endswith("/jobs")
        assert page.locator(".job").count() == 0
