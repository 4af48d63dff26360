"""A conversation with a built-in model, whose engine the first question starts."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.web.browser.conftest import OpenPage
from tests.web.browser.house import MODEL

pytestmark = pytest.mark.thorough

FIRST_MS = 120_000
"""The engine is started, and loads the model."""
FACTS = re.compile(r"\d+ tokens, [\d.,]+ tokens/s")
PROCESS_KEY = 229


def ask(page: Page, text: str) -> None:
    field = page.get_by_label("Your message", exact=True)
    field.fill(text)
    field.press("Enter")


def compose(page: Page, text: str) -> Any:
    """Writes as an input method does, and leaves the composition open."""
    session = page.context.new_cdp_session(page)
    session.send("Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)})
    return session


class TestChat:
    def test_answers_and_stays_over_a_reload(self, open_page: OpenPage) -> None:
        page = open_page(f"playground?model={MODEL}&max_tokens=6&temperature=0")
        ask(page, "Where is parcel 7?")
        expect(page.get_by_text(FACTS)).to_be_visible(timeout=FIRST_MS)
        ask(page, "And **parcel 8**?")
        expect(page.get_by_text(FACTS)).to_have_count(2)
        page.reload()
        expect(page.get_by_text("Where is parcel 7?")).to_be_visible()
        expect(page.get_by_text(FACTS)).to_have_count(2)
        page.get_by_role("button", name="As code").click()
        shown = page.get_by_role("dialog").get_by_text("curl http").inner_text()
        assert '"content": "And **parcel 8**?"' in shown
        assert "Authorization" not in shown
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Clear").click()
        expect(page.get_by_text("Where is parcel 7?")).to_have_count(0)

    def test_enter_that_ends_a_composition_sends_nothing(self, open_page: OpenPage) -> None:
        page = open_page(f"playground?model={MODEL}&max_tokens=2", language="ja-JP")
        field = page.get_by_label("メッセージ", exact=True)
        field.focus()
        session = compose(page, "にほんご")
        for kind in ("rawKeyDown", "keyUp"):
            key = {"type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": PROCESS_KEY}
            session.send("Input.dispatchKeyEvent", key)
        session.send("Input.insertText", {"text": "日本語"})
        expect(field).to_have_value("日本語")
        expect(page.get_by_role("log")).to_be_empty()
        field.press("Shift+Enter")
        expect(field).to_have_value("日本語\n")
        field.press("Enter")
        expect(page.get_by_role("log").get_by_text("日本語")).to_be_visible()
        expect(field).to_have_value("")

    @pytest.mark.thorough
    def test_two_models_and_their_tokens(self, open_page: OpenPage) -> None:
        page = open_page(f"playground?model={MODEL}&other={MODEL}&max_tokens=5&temperature=0&logprobs=true")
        ask(page, "Hello")
        expect(page.get_by_text(FACTS)).to_have_count(2, timeout=FIRST_MS)
        page.get_by_role("button", name="Show as a table").first.click()
        rows = page.get_by_role("table").get_by_role("row")
        expect(rows).to_have_count(6)
        expect(rows.nth(1)).to_contain_text("%")

    def test_an_unknown_model_is_told_with_the_remedy(self, open_page: OpenPage) -> None:
        page = open_page("playground?model=finery/tiny-lama", allows=("404",))
        ask(page, "Hello")
        expect(page.get_by_role("alert")).to_contain_text("did you mean 'finery/tiny-llama'?")
        page.get_by_role("combobox", name="Model").fill(MODEL)
        page.get_by_label("Most tokens").fill("3")
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_text(FACTS)).to_be_visible(timeout=FIRST_MS)

    @pytest.mark.thorough
    def test_is_stopped(self, open_page: OpenPage) -> None:
        page = open_page(f"playground?model={MODEL}&max_tokens=900")
        ask(page, "Tell me everything.")
        page.get_by_role("button", name="Stop").click(timeout=FIRST_MS)
        expect(page.get_by_text("stopped")).to_be_visible()
        expect(page.get_by_role("button", name="Send")).to_be_visible()
