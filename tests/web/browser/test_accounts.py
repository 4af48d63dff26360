"""The page of a server with accounts: who sees and may do what, and what comes when a session ends."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.servers import RunningServer
from tests.web.browser.conftest import OpenPage

PASSWORD = "a long enough password"
PEOPLE = {"ada": "admin", "rosa": "researcher", "rudi": "researcher", "vera": "viewer"}
REFUSED = ("401", "403", "404", "422")
"""Answers that the browser itself writes of: before the login, to what is not the user's, and to an empty file."""

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


@pytest.fixture(scope="module")
def rosa(guarded: RunningServer) -> Iterator[httpx.Client]:
    """Logged in once: an address has so many logins a minute."""
    with client_of(guarded) as client:
        log_in_to(client, "rosa")
        yield client


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


def leave_things(page: Page, folder: Path) -> None:
    """Leaves the beginning of a conversation and of a run, and a file that was refused; ends at the file."""
    at = page.url.partition("/ui/")[0]
    page.goto(f"{at}/ui/playground")
    page.get_by_label("System message").fill("rosa's secret")
    page.goto(f"{at}/ui/new")
    page.get_by_label("Name", exact=True).fill("rosa's plan")
    page.goto(f"{at}/ui/datasets")
    empty = folder / "empty.jsonl"
    empty.touch()
    page.locator("input[type=file]").first.set_input_files(empty)
    expect(page.get_by_role("alert")).to_be_visible()


def expect_none_of_them(page: Page) -> None:
    """Looks without a reload, which would forget what the tab keeps in memory."""
    expect(page.get_by_role("heading", name="Datasets")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_role("link", name="New run").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("")
    page.get_by_role("link", name="Playground").click()
    expect(page.get_by_label("System message")).to_have_value("")


def client_of(server: RunningServer) -> httpx.Client:
    return httpx.Client(base_url=server.url, timeout=60.0, trust_env=False)


def log_in_to(client: httpx.Client, name: str) -> None:
    client.post("/api/v1/login", json={"login": name, "password": PASSWORD}).raise_for_status()


@pytest.fixture
def rosas(rosa: httpx.Client) -> Iterator[dict[str, str]]:
    """A run of rosa's that trains for as long as it is looked at."""
    body = {"recipe": "sft", "name": "rosa's", "config": training(rosa)}
    answer = rosa.post("/api/v1/runs", json=body)
    assert answer.status_code == 201, answer.text
    run: dict[str, str] = answer.json()
    yield run
    rosa.post(f"/api/v1/runs/{run['id']}/cancel")


@pytest.fixture
def shared(rosa: httpx.Client, rosas: dict[str, str]) -> Iterator[dict[str, str]]:
    """Her run, while everyone may see it."""
    rosa.patch(f"/api/v1/runs/{rosas['id']}", json={"shared": True}).raise_for_status()
    yield rosas
    rosa.patch(f"/api/v1/runs/{rosas['id']}", json={"shared": False}).raise_for_status()


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

    def test_a_researcher_may_clone_what_another_shares_and_no_more(
        self, log_in: LogIn, shared: dict[str, str]
    ) -> None:
        page = log_in("rudi", f"runs/{shared['id']}")
        page.get_by_role("button", name="More").click()
        expect(page.get_by_role("menuitem")).to_have_text(["Clone and change"])
        for name in ("Cancel", "Pause", "Save now", "Stop and keep the model", "Resume"):
            expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)

    def test_a_viewer_is_offered_nothing_that_changes(self, log_in: LogIn) -> None:
        page = log_in("vera", "runs")
        expect(page.get_by_role("heading", name="Runs")).to_be_visible()
        expect(page.get_by_role("link", name="Playground")).to_have_count(0)
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

    def test_that_ended_leaves_nothing_to_the_next_user(self, log_in: LogIn, tmp_path: Path) -> None:
        page = log_in("rosa")
        leave_things(page, tmp_path)
        # It asks the server from time to time.
        page.get_by_role("link", name="Overview").click()
        page.context.clear_cookies()
        fill_in_login(page, "rudi")
        page.get_by_role("link", name="Datasets").click()
        expect_none_of_them(page)

    def test_that_ended_is_gone_on_with_by_its_user(self, log_in: LogIn, tmp_path: Path) -> None:
        page = log_in("rosa")
        leave_things(page, tmp_path)
        # It asks the server from time to time.
        page.get_by_role("link", name="Overview").click()
        page.context.clear_cookies()
        fill_in_login(page, "rosa")
        page.get_by_role("link", name="New run").click()
        expect(page.get_by_label("Name", exact=True)).to_have_value("rosa's plan")

    def test_of_another_user_is_taken_over_by_the_other_tabs(self, log_in: LogIn, tmp_path: Path) -> None:
        other = log_in("rosa")
        leave_things(other, tmp_path)
        page = other.context.new_page()
        page.goto(other.url)
        page.get_by_role("button", name="Account").click()
        page.get_by_role("menuitem", name="Log out").click()
        expect(other.get_by_role("button", name="Log in")).to_be_visible()
        fill_in_login(page, "rudi")
        expect(other.get_by_role("button", name="Account: rudi")).to_be_visible()
        expect_none_of_them(other)
