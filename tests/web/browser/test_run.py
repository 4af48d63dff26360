"""A run that is watched while it trains, or writes its log."""

import re
import sys
from pathlib import Path

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


LOG = """
import sys, time
from pathlib import Path
out = sys.stdout.buffer
last = "学習の終わり\\n".encode()
out.write(b"begins\\n" + last[:4])
out.flush()
while not Path({go!r}).exists():
    time.sleep(0.02)
out.write(last[4:] + b"\\x1b[31mred words\\x1b[0m\\nprogress 1 %\\rprogress 100 %\\n" + b"lines\\n" * 60_000)
out.flush()
raise ValueError("ここで失敗")
"""


@pytest.mark.thorough
class TestLog:
    def test_is_seen_to_its_end(self, open_page: OpenPage, house: House, tmp_path: Path) -> None:
        go = tmp_path / "go"
        argv = [sys.executable, "-c", LOG.format(go=str(go))]
        run = house.create({"recipe": "command", "name": "writes", "config": {"argv": argv}})
        # What the browser itself writes while there is no log, or an empty one.
        page = open_page(f"runs/{run['id']}?tab=log", allows=("404", "416"))
        log = page.get_by_role("log")
        expect(log).to_contain_text("begins")
        expect(log).to_contain_text("学")
        go.touch()
        expect(page.get_by_text("failed").first).to_be_visible()
        expect(log.get_by_text("ValueError: ここで失敗")).to_be_visible()
        expect(log).to_contain_text("Traceback")
        expect(page.get_by_role("button", name="To the end")).to_be_disabled()
        page.get_by_role("button", name="To the beginning").click()
        expect(log.get_by_text("学習の終わり", exact=True)).to_be_visible()
        expect(log).not_to_contain_text("\ufffd")
        expect(log.get_by_text("red words", exact=True)).to_have_css("color", "rgb(187, 0, 0)")
        expect(log.get_by_text("progress 100 %", exact=True)).to_be_visible()
        to_end = page.get_by_role("button", name="To the end")
        to_end.click()
        expect(log.get_by_text("ValueError: ここで失敗")).to_be_visible()
        log.press("PageUp")
        expect(log.get_by_text("ValueError: ここで失敗")).not_to_be_in_viewport()
        to_end.click()
        expect(log.get_by_text("ValueError: ここで失敗")).to_be_in_viewport()
        expect(to_end).to_be_disabled()
