"""The page behind nginx with TLS, seen by somebody on another machine."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.servers import RunningServer
from tests.web.browser import nginx
from tests.web.browser.conftest import OpenPage

PASSWORD = "a long enough password"
TOKEN = re.compile(r"^    (\S{43})$", re.M)

pytestmark = [pytest.mark.thorough, pytest.mark.skipif(nginx.program() is None, reason="nginx is not installed")]


@pytest.fixture
def empty_server(tmp_path: Path) -> Iterator[RunningServer]:
    home = tmp_path / "home"
    home.mkdir()
    with RunningServer(home, FINERY_REMOTE_SETUP="true", FINERY_TRUSTED_PROXIES="127.0.0.1") as server:
        yield server


class TestNginx:
    def test_from_the_first_administrator_to_the_end_of_a_session(
        self, open_page: OpenPage, empty_server: RunningServer, tmp_path: Path
    ) -> None:
        token = TOKEN.search(empty_server.log.read_text())
        assert token is not None
        with nginx.before(empty_server.port, tmp_path) as address:
            page = open_page(at=address, allows=("401", "403", "ERR_CONNECTION_REFUSED"))
            page.get_by_label("User name").fill("ada")
            page.get_by_label("E-mail").fill("ada@example.com")
            page.get_by_label(re.compile("^Password")).fill(PASSWORD)
            page.get_by_label("Set-up token").fill(token[1])
            page.get_by_role("button", name="Make the administrator").click()
            expect(page.get_by_role("heading", name="Overview")).to_be_visible()
            (cookie,) = page.context.cookies()
            assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
            watch_a_run(page, address)
            page.get_by_role("button", name="Account").click()
            page.get_by_role("menuitem", name="Log out").click()
            expect(page.get_by_role("button", name="Log in")).to_be_visible()


def watch_a_run(page: Page, address: str) -> None:
    """Starts a program, and sees it run and be cancelled without a reload."""
    answer = page.request.post(
        f"{address}/api/v1/runs",
        headers={"Origin": address},
        data={
            "recipe": "command",
            "name": "waits",
            "config": {"argv": [sys.executable, "-c", "import time; time.sleep(600)"]},
        },
    )
    run = answer.json()
    page.goto(f"{address}/ui/runs/{run['id']}")
    expect(page.get_by_text("running").first).to_be_visible()
    page.evaluate("() => { window.isSameDocument = true; }")
    page.request.post(f"{address}/api/v1/runs/{run['id']}/cancel", headers={"Origin": address})
    expect(page.get_by_text("cancelled").first).to_be_visible()
    assert page.evaluate("() => window.isSameDocument")
