"""The page of a server with accounts: who sees and may do what, and what comes when a session ends."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.servers import RunningServer
from tests.web.browser.conftest import OpenPage

PASSWORD = "a long enough password"
PEOPLE = {"ada": "admin", "rosa": "researcher", "rudi": "researcher", "vera": "viewer"}
REFUSED = ("401", "403", "404")
"""Answers that the browser itself writes of: those before the login, and to what is not the user's."""

LogIn = Callable[..., Page]

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("guarded")) as server:
        with client_of(server) as ada:
            first = {"username": "ada", "email": "ada@example.com", "password": PASSWORD}
            ada.post("/api/v1/setup", json=first).raise_for_status()
            log_in_to(ada, "ada")
            for name, level in list(PEOPLE.items())[1:]:
                new = {"username": name, "email": f"{name}@example.com", "password": PASSWORD, "levels": [level]}
                ada.post("/api/v1/users", json=new).raise_for_status()
        yield server


@pytest.fixture
def log_in(open_page: OpenPage, guarded: RunningServer) -> LogIn:
    def log_in_as(name: str, path: str = "") -> Page:
        page = open_page(path, at=guarded.url, allows=REFUSED)
        fill_in_login(page, name)
        expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
        return page

    return log_in_as


def fill_in_login(page: Page, name: str) -> None:
    page.get_by_label("User name or e-mail").fill(name)
    page.get_by_label("Password").first.fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def client_of(server: RunningServer) -> httpx.Client:
    return httpx.Client(base_url=server.url, timeout=60.0, trust_env=False)


def log_in_to(client: httpx.Client, name: str) -> None:
    client.post("/api/v1/login", json={"login": name, "password": PASSWORD}).raise_for_status()


@pytest.fixture
def rosas(guarded: RunningServer) -> Iterator[dict[str, str]]:
    """A run of rosa's that trains for as long as it is looked at."""
    with client_of(guarded) as rosa:
        log_in_to(rosa, "rosa")
        body = {"recipe": "sft", "name": "rosa's", "config": training(rosa)}
        answer = rosa.post("/api/v1/runs", json=body)
        assert answer.status_code == 201, answer.text
        run: dict[str, str] = answer.json()
        yield run
        rosa.post(f"/api/v1/runs/{run['id']}/cancel")


def training(client: httpx.Client) -> dict[str, object]:
    row = '{"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "Here."}]}\n'
    stored = (
        client.post("/api/v1/datasets", files={"file": ("rows.jsonl", row.encode() * 20)}).raise_for_status().json()
    )
    # Long enough to be looked at, and cancelled afterwards.
    return {"model_name": "finery/tiny-llama", "dataset_path": stored["path"], "max_steps": 100_000, "batch_size": 2}


class TestWhoSeesWhat:
    def test_its_owner_may_end_it(self, log_in: LogIn, rosas: dict[str, str]) -> None:
        page = log_in("rosa", f"runs/{rosas['id']}")
        expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_visible()

    def test_another_researcher_does_not_see_it(self, log_in: LogIn, rosas: dict[str, str]) -> None:
        page = log_in("rudi", "runs")
        expect(page.get_by_role("heading", name="Runs")).to_be_visible()
        expect(page.get_by_text("There is no run")).to_be_visible()
        expect(page.get_by_text("rosa's")).to_have_count(0)
        page.goto(page.url.replace("/ui/runs", f"/ui/runs/{rosas['id']}"))
        expect(page.get_by_role("alert")).to_contain_text(rosas["id"])
        expect(page.get_by_role("button", name="Cancel", exact=True)).to_have_count(0)

    def test_an_administrator_may_end_it(self, log_in: LogIn, rosas: dict[str, str]) -> None:
        page = log_in("ada", f"runs/{rosas['id']}")
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()
        expect(page.get_by_text("cancelled").first).to_be_visible()

    def test_a_viewer_is_offered_nothing_that_changes(self, log_in: LogIn) -> None:
        page = log_in("vera", "runs")
        expect(page.get_by_role("heading", name="Runs")).to_be_visible()
        for name in ("Cancel", "Delete", "New run"):
            expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)


class TestSession:
    def test_that_ended_leads_to_the_login_and_back(self, log_in: LogIn, guarded: RunningServer) -> None:
        page = log_in("rosa", "runs?status=failed")
        address = page.url
        page.context.clear_cookies()
        expect(page.get_by_role("button", name="Log in")).to_be_visible()
        fill_in_login(page, "rosa")
        expect(page.get_by_role("heading", name="Runs")).to_be_visible()
        assert page.url == address

    @pytest.mark.parametrize("ends", ["logged out", "expired"])
    def test_the_next_user_of_the_browser_sees_nothing_of_the_first(
        self, log_in: LogIn, rosas: dict[str, str], ends: str
    ) -> None:
        page = log_in("rosa", "runs")
        expect(page.get_by_text("rosa's").first).to_be_visible()
        if ends == "expired":
            page.context.clear_cookies()
        else:
            page.get_by_role("button", name="Account").click()
            page.get_by_role("menuitem", name="Log out").click()
        fill_in_login(page, "rudi")
        expect(page.get_by_text("There is no run")).to_be_visible()
        expect(page.get_by_text("rosa's")).to_have_count(0)
