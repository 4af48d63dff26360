"""The page's document and files, as the server gives them to anybody."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from finery.app.asgi import build_app
from finery.app.composition import Composition
from finery.app.settings import Settings
from finery.web import routes

LINK = re.compile(r'(?:src|href)="(/ui/[^"]+)"')
NONCE = re.compile(r'nonce="([^"]+)"')
DOCUMENTS = ["/ui/", "/ui/runs", "/ui/runs/ab12cd34?tab=log", "/ui/what/is/not/there"]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), warm_start="off")
    with TestClient(build_app(Composition(settings)), base_url="http://localhost") as client:
        yield client


class TestRoot:
    @pytest.mark.parametrize(("path", "status", "leads_to"), [("/", 307, "ui/"), ("/ui", 308, "ui/")])
    def test_leads_a_browser_to_the_page(self, client: TestClient, path: str, status: int, leads_to: str) -> None:
        answer = client.get(path, headers={"Accept": "text/html,*/*;q=0.8"}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (status, leads_to)

    def test_has_nothing_for_programs(self, client: TestClient) -> None:
        assert client.get("/", headers={"Accept": "application/json"}).status_code == 404


class TestDocument:
    @pytest.mark.parametrize("path", DOCUMENTS)
    def test_is_the_same_page_at_every_address(self, client: TestClient, path: str) -> None:
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        assert '<div id="root">' in answer.text

    def test_all_that_it_names_is_there_and_may_be_kept(self, client: TestClient) -> None:
        names = LINK.findall(client.get("/ui/").text)
        assert any(name.endswith(".js") for name in names)
        assert any(name.endswith(".css") for name in names)
        for name in names:
            answer = client.get(name)
            assert (name, answer.status_code) == (name, 200)
            assert ("immutable" in answer.headers["cache-control"]) == name.startswith("/ui/assets/")

    def test_scripts_and_styles_are_let_in_by_name_alone(self, client: TestClient) -> None:
        first, second = client.get("/ui/"), client.get("/ui/")
        policy = first.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "connect-src 'self'" in policy
        (nonce,) = set(NONCE.findall(first.text))
        assert f"style-src 'self' 'nonce-{nonce}'" in policy
        assert nonce not in second.text
        assert routes.NONCE not in first.text

    def test_scripts_stand_in_files(self, client: TestClient) -> None:
        html = client.get("/ui/").text
        assert re.findall(r"<script(?![^>]* src=)", html) == []
        assert re.findall(r" on\w+=| style=|<style", html) == []


class TestFiles:
    @pytest.mark.parametrize(
        "path",
        ["/ui/assets/none.js", "/ui/assets/../index.html", "/ui/assets/%2e%2e/routes.py", "/ui/assets//etc/passwd"],
    )
    def test_what_was_not_built_is_not_there(self, client: TestClient, path: str) -> None:
        answer = client.get(path)
        assert answer.status_code == 404 or "root" in answer.text
        assert "router" not in answer.text

    @pytest.mark.parametrize(("accepted", "encoding"), [("br, gzip", "gzip"), ("identity", None)])
    def test_travel_compressed_to_whom_takes_it(self, client: TestClient, accepted: str, encoding: str | None) -> None:
        name = next(name for name in LINK.findall(client.get("/ui/").text) if name.endswith(".js"))
        with client.stream("GET", name, headers={"Accept-Encoding": accepted}) as answer:
            sent = b"".join(answer.iter_raw())
            answered = answer.headers
        assert answered.get("content-encoding") == encoding
        assert answered["vary"] == "Accept-Encoding"
        assert answered["content-type"].startswith("text/javascript")
        whole = routes.files(routes.DIST)[name.removeprefix("/ui/")].read_bytes()
        assert (gzip.decompress(sent) if encoding else sent) == whole

    def test_no_source_map_is_shipped(self) -> None:
        assert [path.name for path in routes.DIST.rglob("*.map")] == []


class TestNotBuilt:
    def test_says_so(self, client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(routes, "DIST", tmp_path)
        assert "make setup" in client.get("/ui/").text
