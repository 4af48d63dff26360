"""A run that is watched while it trains."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.servers import RunningServer
from tests.web.browser.conftest import OpenPage
from tests.web.browser.house import House

LOST = (
    "ERR_CONNECTION_REFUSED",
    "ERR_INCOMPLETE_CHUNKED_ENCODING",
    "ERR_CONNECTION_RESET",
    "ERR_EMPTY_RESPONSE",
    "503",
)
"""What the browser itself writes of a server that is away."""


def described_curve(page: Page, metric: str) -> str:
    return page.get_by_role("img", name=re.compile(f"^{metric}:")).get_attribute("aria-label") or ""


class TestLive:
    def test_is_seen_to_its_end(self, open_page: OpenPage, house: House) -> None:
        run = house.start(name="watched", max_steps=12)
        page = open_page(f"runs/{run['id']}")
        expect(page.get_by_role("heading", name="watched")).to_be_visible()
        expect(page.get_by_text("succeeded").first).to_be_visible()
        expect(page.get_by_role("img", name=re.compile(r"^loss: .*\(12\)$"))).to_be_visible()

    @pytest.mark.thorough
    def test_goes_on_without_gap_or_reload_when_the_server_was_killed(
        self, open_page: OpenPage, house: House, server: RunningServer
    ) -> None:
        run = house.start(name="outlives", max_steps=300)
        house.progressed(run, 5)
        page = open_page(f"runs/{run['id']}", allows=LOST)
        page.evaluate("() => { window.isSameDocument = true; }")
        expect(page.get_by_role("img", name=re.compile("^loss:"))).to_be_visible()
        server.kill()
        expect(page.get_by_text("The server does not answer")).to_be_visible()
        server.start()
        expect(page.get_by_text("The server does not answer")).to_be_hidden()
        expect(page.get_by_text("succeeded").first).to_be_visible(timeout=240_000)
        expect(page.get_by_role("img", name=re.compile(r"^loss: .*\(300\)$"))).to_be_visible()
        assert page.evaluate("() => window.isSameDocument")
