"""The overview of a server where more runs wait than a list shows at once."""

import sys
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.servers import RunningServer
from tests.web.browser.conftest import OpenPage
from tests.web.browser.house import House

QUEUED = 60
WAITS = [sys.executable, "-c", "import time; time.sleep(600)"]

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with a run that has ended, one that runs, and many that were made later and wait."""
    with RunningServer(tmp_path_factory.mktemp("busy")) as server:
        with httpx.Client(base_url=server.url, timeout=60.0, trust_env=False) as client:
            house = House(client)
            house.finished(command(house, "has ended", [sys.executable, "-c", "print(1)"]))
            slots = client.get("/api/v1/system").raise_for_status().json()["cpu_slots"]
            running = command(house, "under way", WAITS, cpu_slots=slots)
            for number in range(QUEUED):
                command(house, f"waits {number}", WAITS)
            yield server.url
            client.post(f"/api/v1/runs/{running['id']}/cancel").raise_for_status()


def command(house: House, name: str, argv: list[str], cpu_slots: int = 1) -> dict[str, object]:
    body = {"recipe": "command", "name": name, "config": {"argv": argv}, "resources": {"cpu_slots": cpu_slots}}
    return house.create(body)


def under(page: Page, heading: str) -> list[str]:
    """Returns the names of the runs under a heading."""
    section = page.locator("section").filter(has=page.get_by_role("heading", name=heading, exact=True))
    expect(section.get_by_role("link").first).to_be_visible()
    return section.get_by_role("link").all_inner_texts()


def test_what_runs_and_what_ended_are_shown_however_many_wait(open_page: OpenPage, busy: str) -> None:
    page = open_page(at=busy)
    assert under(page, "Under way") == ["under way"]
    assert under(page, "Ended last") == ["has ended"]
    assert under(page, "Waiting")[-1] == f"{QUEUED - 5} more in the queue"
    expect(page.get_by_role("heading", name="Train your first model")).to_have_count(0)
