"""The document of a run: whole, harmless wherever it is opened, and bounded."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from starlette.testclient import TestClient

from finery.api.native import run_document
from finery.contracts.status import RunStatus
from finery.http.services import Services
from finery.models import EventRow, RunRow

RUNS = "/api/v1/runs"
ATTACK = '</pre></title></style><script>alert(1)</script><img src=x onerror="alert(2)">'
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "section", "h1", "h2", "h3", "b", "p", "ul", "li", "div"),
    *("table", "thead", "tbody", "tr", "th", "td", "pre", "footer", "svg", "line", "text", "polyline", "circle"),
}


class Found(HTMLParser):
    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def services(client: TestClient) -> Services:
    found: Services = client.app.state.services  # type: ignore[attr-defined]
    return found


def add_events(services: Services, *events: tuple[str, dict[str, Any]]) -> None:
    with services.database.write() as session:
        row = session.query(RunRow).one()
        for type, data in events:
            row.last_sequence += 1
            session.add(
                EventRow(run_number=row.number, sequence=row.last_sequence, type=type, at=1.7e9, attempt=1, data=data)
            )


def write_log(services: Services, content: str) -> None:
    path = services.context.home.run_log("a")
    path.parent.mkdir(parents=True)
    path.write_text(content)


def document_of(client: TestClient, run_id: str = "a") -> str:
    answer = client.get(f"{RUNS}/{run_id}/export")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{run_id}.html"'
    return answer.text


class TestExport:
    def test_tells_all_of_a_run(self, client: TestClient, services: Services) -> None:
        config = {"argv": ["python", "train.py"]}
        client.post(RUNS, json={"recipe": "command", "config": config, "id": "a", "name": "이름", "labels": {"t": "v"}})
        add_events(
            services,
            *(("progress", {"step": step, "loss": 1.0 / step}) for step in range(1, 9)),
            ("evaluation", {"step": 8, "loss": 0.25}),
            ("sample", {"step": 8, "prompt": "Where is it?", "text": "On its way."}),
            ("notice", {"level": "info", "code": "c", "message": "noticed"}),
        )
        write_log(services, "first\n\x1b[31mred\x1b[0m\n10%\r100%\n")
        document = document_of(client)
        for told in ("이름", "t=v", "train.py", "On its way.", "noticed", "first\nred\n100%", "eval_loss", "0.25 (8)"):
            assert told in document
        assert document.count("<polyline") == 2

    def test_what_users_wrote_is_text(self, client: TestClient, services: Services) -> None:
        client.post(RUNS, json={"recipe": "command", "config": {"argv": [ATTACK]}, "id": "a", "name": ATTACK})
        add_events(
            services,
            ("progress", {"step": 1, ATTACK: 1.0, "loss": 1.0}),
            ("sample", {"step": 1, "prompt": ATTACK, "text": ATTACK}),
            ("notice", {"level": "warning", "code": ATTACK, "message": ATTACK}),
        )
        with services.database.write() as session:
            row = session.query(RunRow).one()
            row.labels, row.error, row.status = {ATTACK: ATTACK}, ATTACK, RunStatus.FAILED
            row.warnings = [{"code": ATTACK, "message": ATTACK}]
        write_log(services, f"{ATTACK}\n")
        found = Found(document_of(client))
        assert found.tags <= ALLOWED
        assert not {name for name in found.attributes if name.startswith("on") or name in ("src", "href", "style")}
        assert sum(text.count(ATTACK) for text in found.texts) >= 10

    def test_its_own_policy_lets_its_style_in_and_nothing_else(self, client: TestClient) -> None:
        client.post(RUNS, json={"recipe": "command", "config": {"argv": ["true"]}, "id": "a"})
        document = document_of(client)
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', document)
        assert policy is not None
        assert policy[1].startswith("default-src 'none'; style-src 'sha256-")
        assert f"<style>{run_document.STYLE}</style>" in document
        assert "http://" not in document
        assert "https://" not in document

    def test_values_that_may_be_secret_are_left_out(self, client: TestClient, services: Services) -> None:
        config = {"argv": ["true"], "environment": {"MY_TOKEN": "hunter2"}}
        client.post(RUNS, json={"recipe": "command", "config": config, "id": "a"})
        with services.database.write() as session:
            row = session.query(RunRow).one()
            row.config = {
                **row.config,
                "tracker": {"api_key": "hunter2"},
                "servers": [{"password": "hunter2"}, {"token": "hunter2"}],
                "env": {"A": "hunter2"},
                "eos_token": "</s>",
            }
        document = document_of(client)
        assert "hunter2" not in document
        assert "MY_TOKEN" in document
        assert "&lt;/s&gt;" in document

    def test_is_bounded(self, client: TestClient, services: Services) -> None:
        client.post(RUNS, json={"recipe": "command", "config": {"argv": ["x" * 30_000] * 100}, "id": "a"})
        add_events(
            services,
            *(("progress", {"step": step, "loss": step % 7, **{f"m{n}": n for n in range(70)}}) for step in range(50)),
            *(("sample", {"step": 1, "text": "y" * 20_000}) for _ in range(60)),
        )
        write_log(services, "line of a log\n" * 200_000)
        document = document_of(client)
        assert len(document) < 2_500_000
        assert "Its beginning is left out." in document

    def test_unknown_run(self, client: TestClient) -> None:
        answer = client.get(f"{RUNS}/none/export")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "run_not_found")
