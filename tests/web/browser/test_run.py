"""A run that is watched while it trains, or writes its log."""

import re
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.servers import RunningServer
from tests.web.browser.conftest import OpenPage
from tests.web.browser.house import MODEL, House

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


@pytest.mark.thorough
class TestIdLikeANumber:
    def test_is_cloned_and_talked_to(self, open_page: OpenPage, house: House) -> None:
        config = {"model_name": MODEL, "dataset_path": house.dataset, "max_steps": 1, "batch_size": 2}
        body = {"id": "12345678", "recipe": "sft", "name": "all digits", "config": config}
        run = house.finished(house.create(body))
        page = open_page(f"runs/{run['id']}")
        page.get_by_role("button", name="More").click()
        page.get_by_role("menuitem", name="Clone and change").click()
        expect(page.get_by_text("The settings are those of all digits")).to_be_visible()
        expect(page.get_by_label("Name", exact=True)).to_have_value("all digits")
        page.reload()
        expect(page.get_by_text("The settings are those of all digits")).to_be_visible()
        page.get_by_role("button", name="Begin anew").click()
        expect(page.get_by_text("The settings are those of all digits")).to_have_count(0)
        expect(page.get_by_label("Name", exact=True)).to_have_value("")
        page.goto(page.url.partition("/new")[0] + f"/runs/{run['id']}")
        page.get_by_role("button", name="More").click()
        page.get_by_role("menuitem", name="Talk to its model").click()
        expect(page.get_by_role("combobox", name="Model")).to_have_value("12345678")
        page.get_by_label("Your message", exact=True).fill("Where is parcel 7?")
        page.get_by_label("Your message", exact=True).press("Enter")
        expect(page.get_by_text(re.compile(r"\d+ tokens, [\d.,]+ tokens/s"))).to_be_visible(timeout=120_000)

    @pytest.mark.parametrize("run_id", ["87654321", "12e45678"])
    def test_is_cloned_by_a_link_written_by_hand(self, open_page: OpenPage, house: House, run_id: str) -> None:
        argv = [sys.executable, "-c", "print(1)"]
        house.finished(house.create({"id": run_id, "recipe": "command", "name": run_id, "config": {"argv": argv}}))
        page = open_page(f"new?from={run_id}")
        expect(page.get_by_text(f"The settings are those of {run_id}")).to_be_visible()
