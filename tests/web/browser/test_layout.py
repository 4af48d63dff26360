"""Every page, in every language and width, light and dark."""

import time
from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import Page

from tests.web.browser.conftest import OpenPage
from tests.web.browser.house import House
from tests.web.browser.inspection import cut_texts, violations
from tests.web.browser.pages import PAGES

LANGUAGES = {"en-US": "en", "zh-CN": "zh-Hans", "ja-JP": "ja", "ko-KR": "ko"}
WIDTHS = (360, 768, 1440)
MOVING_SECONDS = 5.0
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

pytestmark = pytest.mark.thorough


def settle(page: Page) -> None:
    """Waits until the page has its heading, and nothing that still loads."""
    page.get_by_role("heading", level=1).first.wait_for()
    page.wait_for_function("() => document.querySelector('main .mantine-Loader-root') === null")
    page.evaluate("() => document.fonts.ready.then(() => undefined)")


def lasting(page: Page, look: Callable[[Page], list[str]]) -> list[str]:
    """Returns what is still at fault when things have moved to their places and colours have changed."""
    deadline = time.monotonic() + MOVING_SECONDS
    while (faults := look(page)) and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    return faults


class TestTexts:
    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("name", PAGES)
    def test_none_is_cut_or_overlaps(self, open_page: OpenPage, house: House, name: str, language: str) -> None:
        page = open_page(PAGES[name](house), language=language)
        settle(page)
        assert page.locator("html").get_attribute("lang") == LANGUAGES[language]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert (width, lasting(page, cut_texts)) == (width, [])


class TestAxe:
    @pytest.mark.parametrize("name", PAGES)
    def test_finds_nothing(self, open_page: OpenPage, house: House, name: str) -> None:
        page = open_page(PAGES[name](house))
        settle(page)
        found = {}
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            found[scheme] = lasting(page, violations)
        assert found == {scheme: [] for scheme in SCHEMES}
